"""An event's leaf hash. It covers every column of the event and a salted commitment to its headers and body.

The commitment is keyed because such bodies can be guessed: a plain hash would reveal the content of an erased one.
"""

import hmac
from hashlib import sha256

import msgspec

from core.event import Instant


class Columns(msgspec.Struct, array_like=True, gc=False):
    """The columns of an event in the order in which the leaf covers them; `key` and `commitment` as hex."""

    position: int
    source: str
    stream: str | None
    opened: int | None
    reading: str
    type: str | None
    sequence: int | None
    occurred_at: Instant | None
    received_at: Instant
    recorded_at: Instant
    key: str
    verified_by: str | None
    commitment: str


def commitment(salt: bytes, headers: bytes, body: bytes, origin: bytes | None = None) -> bytes:
    """HMAC-SHA256 under the event's salt over the length of the headers (8 bytes, big-endian), the headers and the
    body.

    For an event imported from another log, eight 0xff bytes, the origin's length and the origin precede them.
    """
    before = b"" if origin is None else b"\xff" * 8 + len(origin).to_bytes(8) + origin
    return hmac.digest(salt, before + len(headers).to_bytes(8) + headers + body, "sha256")


def leaf(columns: Columns) -> bytes:
    """RFC 6962, 2.1: SHA-256 of a zero byte and the entry. The entry is a JSON array: UTF-8, no spaces."""
    return sha256(b"\x00" + msgspec.json.encode(columns)).digest()
