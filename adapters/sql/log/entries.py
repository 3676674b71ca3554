"""What goes into the log and what comes back."""

import msgspec

from core.event import Headers, Instant, Reading, Unreadable


class Sealed(msgspec.Struct, gc=False, array_like=True):
    """The key's hash, the headers as they are stored, the salt and the commitment under it (`log/seal.py`)."""

    key: bytes
    headers: bytes
    salt: bytes
    commitment: bytes


class Entry(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """An authentic delivery. `identity` is its idempotency key's bytes; `verified_by` is None where unsigned.

    `keyed_by_body` tells that whoever has the identity has the body: the key may then begin with the time in it.
    A process that does not write itself seals its entries, to take that from the writer. `relay`: what follows the URL
    of the handler that a new event is to be delivered to; None where it is for nobody. `spooled`: it waited elsewhere
    for the log, and may have come before: where the log has a delivery of the same key and arrival, it is that one.
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
    """A delivery that stays outside of the log: what it was answered, and why. `size` is that of the whole body."""

    source: str
    received_at: Instant
    headers: Headers
    body: bytes
    size: int
    status: int
    reason: str
    hint: str = ""


class Probe(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """Asks whether the log can commit now: a write of its own goes through, and leaves everything as it is."""


class Receipt(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """What a committed delivery turned out to be. `position` is that of the event that holds the key; 0: rejected.

    `raw`: what was read could not be stored, so it was recorded as `undecodable`.
    """

    verdict: str
    position: int
    raw: bool = False
