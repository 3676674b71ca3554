"""Bundles of evidence and certificates of erasure, which others can check without us. Import from here only."""

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
