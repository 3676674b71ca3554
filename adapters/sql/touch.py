"""What a batch does to streams, before anything is folded."""

import msgspec

from adapters.sql.entries import Entry
from core.event import Event, Reading


class New(msgspec.Struct, gc=False):
    """An entry that became an event, its position, its key's hash, its stream and the position that opened that."""

    position: int
    entry: Entry
    key: bytes
    stream: str | None
    opened: int | None = None


class Touch:
    """What one batch does to one stream."""

    __slots__ = ("conflicts", "events", "kind", "opened", "provider_id")

    def __init__(self, kind: str, provider_id: str, opened: int) -> None:
        self.kind = kind
        self.provider_id = provider_id
        self.opened = opened
        self.events: list[Event] = []
        self.conflicts: list[int] = []


def event_of(new: New, reading: Reading) -> Event:
    """The event as the fold takes it."""
    return Event(
        new.position,
        new.key,
        reading.type,
        reading.sequence,
        reading.occurred_at,
        new.entry.received_at,
        new.entry.verified_by is not None,
        reading.data,
        reading.known,
        reading.notes,
    )
