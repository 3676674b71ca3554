"""The inputs and results of an append."""

import msgspec

from core.event import Headers, Instant, Reading, Unreadable


class Sealed(msgspec.Struct, gc=False, array_like=True):
    """The key's hash, the headers as stored, the salt and the commitment under it (`log/seal.py`)."""

    key: bytes
    headers: bytes
    salt: bytes
    commitment: bytes


class Entry(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """An authentic delivery. `identity` is the idempotency key's bytes; `verified_by` is None if it is unsigned.

    `keyed_by_body`: the identity is derived from the body, so the key may begin with its time. A serving process sets
    `sealed` to spare the writer that work. `relay` is the suffix of the handler's URL if a new event is to be
    delivered, else None. `spooled`: it may already be in the log; a delivery with the same key and arrival is the same
    one.
    """

    source: str
    received_at: Instant
    headers: Headers
    body: bytes
    verified_by: str | None
    identity: bytes
    reading: Reading | Unreadable
    keyed_by_body: bool = False
    sealed: Sealed | None = None
    relay: str | None = None
    spooled: bool = False


class Rejection(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """A delivery that was refused: its answer and the reason. `size` is that of the whole body."""

    source: str
    received_at: Instant
    headers: Headers
    body: bytes
    size: int
    status: int
    reason: str
    hint: str = ""


class Probe(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """Tests whether the log can commit, by a write that changes nothing."""


class Receipt(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """The verdict on a committed delivery. `position` is that of the event that holds the key; 0 if it was rejected.

    `raw`: the reading could not be stored, so the event was recorded as `undecodable`.
    """

    verdict: str
    position: int
    raw: bool = False
