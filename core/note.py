"""Signed notes, checkpoints, and proofs in files, as c2sp.org/signed-note, /tlog-checkpoint and /tlog-proof have them.

Formats only: what signs and what verifies is given, for this layer knows no cryptography but hashes. Base64 is taken in
its one canonical form: unused bits that may be anything would be a byte to alter without a trace.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256

import msgspec

ED25519 = b"\x01"
"""The type of an Ed25519 signature, in front of its public key."""

PROOF = "c2sp.org/tlog-proof@v1"

LARGEST = 1_000_000
"""Characters of a note: room for far more than the sixteen signatures that have to be taken."""

_DASH = "\N{EM DASH} "

Verify = Callable[[bytes, bytes, bytes], bool]
"""(public key, signature, text) -> whether it is that key's signature of the text."""


class Malformed(ValueError):
    """It is not written as its specification says."""


class NotSigned(ValueError):
    """The signature of the key that is asked for is missing or wrong."""


class Key(msgspec.Struct, frozen=True):
    """Who signs: a name and an Ed25519 public key of 32 bytes. As text it is a verifier key (`vkey`)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.id.hex()}+{to_base64(ED25519 + self.public)}"

    @classmethod
    def parse(cls, text: str) -> "Key":
        """A verifier key. Raises Malformed, also where its id is not that of its name and key."""
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
    """A line below a note: who signed, which key, what."""

    name: str
    id: bytes
    value: bytes


class SignedNote(msgspec.Struct, frozen=True):
    """A text that ends with a newline, and who signed it."""

    text: str
    signatures: tuple[Signature, ...]


class Checkpoint(msgspec.Struct, frozen=True):
    """A log's name, the number of its leaves, and the root over them."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The note's text."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"

    @classmethod
    def parse(cls, text: str) -> "Checkpoint":
        """Raises Malformed. What extension lines say is another's business, but none of them is empty."""
        lines = text.removesuffix("\n").split("\n")
        if len(lines) < 3 or not all(lines):
            raise Malformed("not a checkpoint: origin, size and root hash, a line each, and no empty line")
        value = Checkpoint(lines[0], _number(lines[1]), from_base64(lines[2]))
        if len(value.root) != 32:
            raise Malformed("not a checkpoint: its root hash has 32 bytes")
        return value


class Proof(msgspec.Struct, frozen=True):
    """An inclusion proof with the checkpoint that it leads to. `index` counts from 0; `checkpoint` is a signed note."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes | None = None

    def text(self) -> str:
        """The file: extension `.tlog-proof`."""
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
    """The note over `text` with the signature that `signer` makes of its bytes. Raises Malformed for no text."""
    _check_characters(text)
    if not text.endswith("\n"):
        raise Malformed("a note's text ends with a newline")
    return f"{text}\n{_DASH}{key.name} {to_base64(key.id + signer(text.encode()))}\n"


def parse(text: str) -> SignedNote:
    """A note as it is written, its signatures unchecked. Raises Malformed."""
    _check_characters(text)
    body, blank, below = text.rpartition("\n\n")
    if not blank or not below.endswith("\n"):
        raise Malformed("a note is a text, an empty line, and signatures")
    return SignedNote(body + "\n", tuple(map(_signature, below[:-1].split("\n"))))


def opened(text: str, key: Key, verify: Verify) -> SignedNote:
    """A note that `key` signed. Raises Malformed or NotSigned; other keys' signatures are passed over."""
    note = parse(text)
    own = [signature for signature in note.signatures if (signature.name, signature.id) == (key.name, key.id)]
    if not own:
        raise NotSigned(f"{key.name} did not sign this")
    if not all(verify(key.public, signature.value, note.text.encode()) for signature in own):
        raise NotSigned(f"the signature of {key.name} is wrong")
    return note


def is_name(name: str) -> bool:
    """Whether a key may be named so: no white space, no plus, no control character."""
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
