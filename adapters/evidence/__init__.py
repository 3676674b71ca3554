"""What an outsider can check without us: certificates of erasure, and bundles of evidence. The folder's whole face."""

from adapters.evidence.certificate import certificate

__all__ = ["certificate"]
