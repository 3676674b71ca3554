"""Checks what the audit gives out, with nothing of the product but its formats."""

from base64 import b64decode
from typing import Any

from core.proofs.note import Checkpoint, Proof
from tests.support import rfc6962
from tests.support.audited import SIGNING


def root_of(note: str) -> tuple[int, bytes]:
    """Size and root of a checkpoint that our key signed."""
    from adapters.audit import opened

    checkpoint: Checkpoint = opened(note, SIGNING.key)
    return checkpoint.size, checkpoint.root


def leads_to(proof: dict[str, Any]) -> bytes | None:
    """The root that an inclusion proof of the query API leads to."""
    path = [b64decode(sibling) for sibling in proof["path"]]
    return rfc6962.climb(proof["index"], proof["size"], b64decode(proof["leaf"]), path)


def holds(file: str, leaf: bytes) -> bool:
    """Whether a proof in a file leads from the leaf to the checkpoint in it, which our key has to have signed."""
    proof = Proof.parse(file)
    size, root = root_of(proof.checkpoint)
    return rfc6962.climb(proof.index, size, leaf, proof.path) == root
