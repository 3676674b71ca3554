"""What every provider offers: is it authentic, what identifies it, what does it say."""

from typing import Protocol

import msgspec

from core.event import Headers, Instant, Reading, Unreadable


class Verified(msgspec.Struct, frozen=True, gc=False):
    """Authentic. `by` names the secret that matched as the configuration does (`env:NAME`, `file:PATH`); None: unsigned."""

    by: str | None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """Not authentic. `reason` is a code for the kept rejection, `hint` a sentence for the on-call; neither is answered."""

    reason: str
    hint: str = ""


class Provider(Protocol):
    """One configured sender. `signed` is false where nothing protects it; `machine_of(kind)` names the stream's machine."""

    name: str
    signed: bool

    def verify(self, headers: Headers, body: bytes, now: Instant | None) -> Verified | Refused:
        """Tells whether the raw bytes are authentic. Never raises. `now=None` leaves the time window out (replay)."""

    def read(self, body: bytes) -> Reading | Unreadable:
        """Reads an authentic body. Never raises, whatever the bytes."""

    def identity(self, headers: Headers, body: bytes, reading: Reading | Unreadable) -> bytes:
        """The idempotency key's bytes, unique per source."""
