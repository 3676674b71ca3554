"""The audit: signed checkpoints, Merkle proofs, verification. Other packages import from here only."""

from adapters.audit.chain import KeyChain, vouch
from adapters.audit.checkpoint_signer import CheckpointSigner, Contradiction, Empty, Included, KeyReplaced, Uncovered
from adapters.audit.keys import CurrentKey, SigningKey, opened
from adapters.audit.sealer import Sealer
from adapters.audit.sending import Unsent, send
from adapters.audit.verification import Verification, keys_of, verify_log
