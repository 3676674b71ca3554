"""Reads stored events back into what the fold takes: from the raw body, never from an earlier reading."""

from collections.abc import Callable
from typing import Any

from adapters.sql.dialects import Dialect, Row
from core.event import Event, Note, Reading, Unreadable

Reader = Callable[[str | None, bytes], Reading | Unreadable]
"""(the event's documented type or None, raw body) -> what the body says."""

_STREAM = (
    "SELECT e.position, e.key, e.type, e.received_at, e.verified_by, p.body FROM events e "
    "JOIN payloads p ON p.source = e.source AND p.position = e.position "
    "WHERE e.source = ? AND e.opened = ? AND e.stream = ? AND e.position > 0 AND {} ORDER BY e.position"
)
"""The condition on the position is always true; without it SQLite walks the primary key, all events of the source."""

FOLDABLE = (
    "p.body IS NOT NULL AND NOT EXISTS "
    "(SELECT 1 FROM retractions r WHERE r.source = p.source AND r.position = p.position)"
)
"""Of payloads `p`: what a fold takes. The others were erased or retracted."""


def stream_rows(cursor: Any, dialect: Dialect, source: str, stream: str, opened: int) -> list[Row]:
    """A stream's foldable events by position, as `to_event` takes them. `opened`: the position that first named it."""
    cursor.execute(_STREAM.format(FOLDABLE).replace("?", dialect.mark), (source, opened, stream))
    return list(cursor.fetchall())


def to_event(
    position: int, key: bytes, kind: str | None, received_at: int, verified_by: str | None, body: bytes, *, read: Reader
) -> Event:
    """One stored event. A body that this code cannot read moves nothing and says so."""
    reading = read(kind, body)
    if isinstance(reading, Unreadable):
        notes = (Note("undecodable", reading.reason),)
        return Event(position, key, kind or "", None, None, received_at, verified_by is not None, {}, False, notes)
    return Event(
        position,
        key,
        reading.type,
        reading.sequence,
        reading.occurred_at,
        received_at,
        verified_by is not None,
        reading.data,
        reading.known,
        reading.notes,
    )
