"""The log's Ed25519 key, which signs its checkpoints, and the check of signatures."""

from collections.abc import Callable
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from core.proofs import note
from core.proofs.note import Checkpoint, Key


class SigningKey:
    """A log's name and its private key (32 bytes)."""

    def __init__(self, seed: bytes, origin: str | None = None) -> None:
        """Without `origin`, the log is named after its public key, so two logs never share a name by chance."""
        private = Ed25519PrivateKey.from_private_bytes(seed)
        public = private.public_key().public_bytes_raw()
        self._sign: Callable[[bytes], bytes] = private.sign
        self.key = Key(origin or f"hookfold/{sha256(public).hexdigest()[:16]}", public)

    def sign(self, size: int, root: bytes) -> str:
        """The checkpoint over the first `size` leaves, as a signed note."""
        return note.sign(Checkpoint(self.key.name, size, root).text(), self.key, self._sign)

    def attest(self, text: str) -> str:
        """Another text as a signed note. Raises ValueError if its second line is a number: it could be a checkpoint."""
        if text.split("\n")[1:2] and text.split("\n")[1].isdigit():
            raise ValueError("this could be taken for a checkpoint")
        return note.sign(text, self.key, self._sign)

    def sign_too(self, signed: str) -> str:
        """A signed note with this key's signature added."""
        text = note.parse(signed).text
        return signed + self.attest(text).removeprefix(f"{text}\n")


class CurrentKey:
    """The key that signs in this process. It is replaced after a rotation, for all that share this object."""

    def __init__(self, key: SigningKey) -> None:
        self.key = key


def check(public: bytes, signature: bytes, text: bytes) -> bool:
    """Whether this is an Ed25519 signature of the text by that key (RFC 8032)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def opened(text: str, key: Key) -> Checkpoint:
    """The checkpoint in a note signed by `key`.

    Raises ValueError: Malformed, or NotSigned if another key signed it or its origin is not the key's name.
    """
    checkpoint = Checkpoint.parse(note.opened(text, key, check).text)
    if checkpoint.origin != key.name:
        raise note.NotSigned(f"it is of the log {checkpoint.origin}, not of {key.name}")
    return checkpoint
