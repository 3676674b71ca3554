"""The streams that a batch touches, and their new events."""

from collections.abc import Sequence

import msgspec

from adapters.sql.dialects.statements import Row
from adapters.sql.log.entries import Entry
from core.event import Event, Reading, Unreadable
from core.ids import Ids


class NewEvent(msgspec.Struct, gc=False):
    """A new event: its position, entry, key's hash, stream, and the position that opened the stream."""

    position: int
    entry: Entry
    key: bytes
    stream: str | None
    opened: int | None = None


class TouchedStream:
    """One batch's events and conflicts in one stream."""

    __slots__ = ("conflicts", "events", "kind", "opened", "provider_id")

    def __init__(self, kind: str, provider_id: str, opened: int) -> None:
        self.kind = kind
        self.provider_id = provider_id
        self.opened = opened
        self.events: list[Event] = []
        self.conflicts: list[int] = []


def touched_streams(new: Sequence[NewEvent], ids: Ids) -> dict[Row, TouchedStream]:
    """The streams to which new events belong and those that they mention, by (source, stream)."""
    touched: dict[Row, TouchedStream] = {}
    for one in new:
        reading = one.entry.reading
        if isinstance(reading, Unreadable):
            continue
        source = one.entry.source
        if one.stream is not None:
            own = touched_stream(touched, (source, one.stream), reading.kind, reading.provider_id, one.position)
            own.events.append(_event(one, reading))
        if reading.mentions:
            device = ids.of("device", source, reading.mentions)
            touched_stream(touched, (source, device), "device", reading.mentions, one.position)
    return touched


def touched_stream(
    touched: dict[Row, TouchedStream], stream: Row, kind: str, name: str, position: int
) -> TouchedStream:
    """A stream's entry in `touched`, added if there is none yet."""
    found = touched.get(stream)
    if found is None:
        found = touched[stream] = TouchedStream(kind, name, position)
    return found


def _event(new: NewEvent, reading: Reading) -> Event:
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
