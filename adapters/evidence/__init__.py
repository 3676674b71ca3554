"""What an outsider can check without us: certificates of erasure, and bundles of evidence. The folder's whole face."""

from adapters.evidence.bundle import Evidence
from adapters.evidence.erasure import (
    OpenedCertificate,
    Span,
    certificate,
    erased_by,
    mismatch,
    opened_certificate,
    spans_in_words,
)
