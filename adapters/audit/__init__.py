"""The audit: signed checkpoints, proofs that lead to them, verification. This is the folder's whole face."""

from adapters.audit.keys import SigningKey, opened
from adapters.audit.notary import Contradiction, Empty, Included, Notary, Uncovered
from adapters.audit.sealer import Sealer
from adapters.audit.sending import Unsent, send
from adapters.audit.verification import Verification, verify_log

__all__ = [
    "Contradiction",
    "Empty",
    "Included",
    "Notary",
    "Sealer",
    "SigningKey",
    "Uncovered",
    "Unsent",
    "Verification",
    "opened",
    "send",
    "verify_log",
]
