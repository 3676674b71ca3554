"""What a batch does to streams, before anything is folded."""

from collections.abc import Sequence

import msgspec

from adapters.sql.dialects.statements import Row
from adapters.sql.log.entries import Entry
from core.event import Event, Reading, Unreadable
from core.ids import Ids


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


def touches(new: Sequence[New], ids: Ids) -> dict[Row, Touch]:
    """What new events do to (source, stream): to their own, and to what they mention."""
    touched: dict[Row, Touch] = {}
    for one in new:
        reading = one.entry.reading
        if isinstance(reading, Unreadable):
            continue
        source = one.entry.source
        if one.stream is not None:
            own = touch_of(touched, (source, one.stream), reading.kind, reading.provider_id, one.position)
            own.events.append(_event(one, reading))
        if reading.mentions:
            device = ids.of("device", source, reading.mentions)
            touch_of(touched, (source, device), "device", reading.mentions, one.position)
    return touched


def touch_of(touched: dict[Row, Touch], stream: Row, kind: str, name: str, position: int) -> Touch:
    """The one touch of a stream: a new one, at the position that names it first, where there was none."""
    found = touched.get(stream)
    if found is None:
        found = touched[stream] = Touch(kind, name, position)
    return found


def _event(new: New, reading: Reading) -> Event:
    """As the fold takes it."""
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
