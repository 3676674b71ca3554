"""Signed notes, checkpoints and proof files in the formats of c2sp.org/signed-note, /tlog-checkpoint and /tlog-proof.

Formats only: the caller passes the functions that sign and verify, because this layer has no cryptography but hashes.
Base64 must be canonical: otherwise the unused bits could be altered without notice.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256

import msgspec

ED25519 = b"\x01"
"""The signature type for Ed25519, which precedes the public key."""

PROOF = "c2sp.org/tlog-proof@v1"

LARGEST = 1_000_000
"""The longest note in characters. It has room for far more than the sixteen signatures that must be accepted."""

_DASH = "\N{EM DASH} "

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, text) -> whether the signature is valid."""


class Malformed(ValueError):
    """The text violates its specification."""


class NotSigned(ValueError):
    """The expected key's signature is missing or wrong."""


class Key(msgspec.Struct, frozen=True):
    """A signer: a name and an Ed25519 public key of 32 bytes. Its text form is a verifier key (`vkey`)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that distinguish keys of one name."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{to_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """Parses a verifier key. Raises Malformed, also if its id does not match its name and key."""
        name, _, rest = text.strip().partition("+")
        given, _, encoded = rest.partition("+")
        typed = from_base64(encoded)
        if len(typed) != 33 or typed[:1] != ED25519 or not is_name(name):
            raise Malformed("not an Ed25519 verifier key: NAME+ID+BASE64")
        key = cls(name, typed[1:])
        if key.id.hex() != given:
            raise Malformed("the verifier key's id does not belong to its name and key")
        return key


class Signature(msgspec.Struct, frozen=True):
    """A signature line of a note: the signer's name, the key id and the signature."""

    name: str
    id: bytes
    value: bytes


class SignedNote(msgspec.Struct, frozen=True):
    """A text that ends with a newline, and its signatures."""

    text: str
    signatures: tuple[Signature, ...]


class Checkpoint(msgspec.Struct, frozen=True):
    """A log's name, its number of leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Parses a checkpoint. Raises Malformed. Extension lines are ignored, but must not be empty."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise Malformed("not a checkpoint: origin, size and root hash, a line each, and no empty line")
        value = Checkpoint(lines[0], _number(lines[1]), from_base64(lines[2]))
        if len(value.root) != 32:
            raise Malformed("not a checkpoint: its root hash has 32 bytes")
        return value


class Proof(msgspec.Struct, frozen=True):
    """An inclusion proof and its checkpoint. `index` counts from 0; `checkpoint` is a signed note."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        """The content of a `.tlog-proof` file."""
        extra = [] if self.extra is None else [f"extra {to_base64(self.extra)}"]
        lines = [PROOF, *extra, f"index {self.index}", *map(to_base64, self.path), "", self.checkpoint]
        return "\n".join(lines)

    @classmethod
    def parse(cls, text: str) -> "Proof":
        """Raises Malformed."""
        head, _, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        extra = lines.pop(0) if lines and lines[0].startswith("extra ") else None
        index = lines.pop(0) if lines else ""
        if first != PROOF or not index.startswith("index "):
            raise Malformed(f"not a proof: it begins with {PROOF} and an index")
        path = tuple(map(from_base64, lines))
        if any(len(sibling) != 32 for sibling in path):
            raise Malformed("a hash of a proof has 32 bytes")
        told = None if extra is None else from_base64(extra.removeprefix("extra "))
        return cls(_number(index.removeprefix("index ")), path, checkpoint, told)


def sign(text: str, key: Key, signer: Callable[[bytes], bytes]) -> str:
    """Signs `text` with `signer`. Raises Malformed if it is not a note's text."""
    _check_characters(text)
    if not text.endswith("\n"):
        raise Malformed("a note's text ends with a newline")
    return f"{text}\n{_DASH}{key.name} {to_base64(key.id + signer(text.encode()))}\n"


def parse(text: str) -> SignedNote:
    """Parses a note without verifying its signatures. Raises Malformed."""
    _check_characters(text)
    body, blank, below = text.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise Malformed("a note is a text, an empty line, and signatures")
    return SignedNote(body + "\n", tuple(map(_signature, below[:-1].split("\n"))))


def opened(text: str, key: Key, verify: Verify) -> SignedNote:
    """Parses a note and verifies the signature of `key`, ignoring others. Raises Malformed or NotSigned."""
    note = parse(text)
    own = [signature for signature in note.signatures if (signature.name, signature.id) == (key.name, key.id)]
    if not own:
        raise NotSigned(f"{key.name} did not sign this")
    if not all(verify(key.public, signature.value, note.text.encode()) for signature in own):
        raise NotSigned(f"the signature of {key.name} is wrong")
    return note


def is_name(name: str) -> bool:
    """Whether a key may have this name: no white space, no plus, no control character."""
    return bool(name) and "+" not in name and name.isprintable() and not any(map(str.isspace, name))


def to_base64(value: bytes) -> str:
    return b64encode(value).decode()


def from_base64(text: str) -> bytes:
    """Raises Malformed for anything but the canonical form (RFC 4648, section 4)."""
    try:
        value = b64decode(text.encode(), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise Malformed("not base64") from None
    if to_base64(value) != text:
        raise Malformed("not base64 in its canonical form")
    return value


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    value = from_base64(encoded)
    if not line.startswith(_DASH) or not is_name(name) or len(value) < 5:
        raise Malformed("a signature is a dash, a name, and base64 of a key's id and the signature")
    return Signature(name, value[:4], value[4:])


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20) or (text[0] == "0" and text != "0"):
        raise Malformed("not a decimal number without leading zeroes")
    return int(text)


def _check_characters(text: str) -> None:
    if len(text) > LARGEST or any(character < " " and character != "\n" for character in text):
        raise Malformed("a note is text without control characters, and not endless")
