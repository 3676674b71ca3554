"""What an outsider can check without us: certificates of erasure, and bundles of evidence. The folder's whole face."""

from adapters.evidence.bundle import Evidence
from adapters.evidence.erasure import certificate

__all__ = ["Evidence", "Made", "certificate"]
