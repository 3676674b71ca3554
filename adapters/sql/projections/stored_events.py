"""Reads stored events back into what the fold takes: from the raw body, never from an earlier reading."""

from collections.abc import Callable
from typing import Any

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from core.event import Event, Note, Reading, Unreadable

BodyReader = Callable[[str | None, bytes], Reading | Unreadable]
"""(the event's documented type or None, raw body) -> what the body says."""

_STREAM = (
    "SELECT position, key, type, received_at, verified_by FROM events "
    "WHERE source = ? AND opened = ? AND stream = ? AND position > ? ORDER BY position LIMIT ?"
)
"""Without the condition on the position SQLite walks the primary key, all events of the source."""

_ALL = 1 << 62

THERE = "p.body IS NOT NULL"
"""Of payloads `p`: what was not erased."""

FOLDABLE = f"{THERE} AND NOT EXISTS (SELECT 1 FROM retractions r WHERE r.source = p.source AND r.position = p.position)"
"""What a fold takes: neither erased nor retracted."""

_BODIES = Lookup(
    "t.position, t.body", tables.payloads, ("source", "position"), f" AND {FOLDABLE.replace('p.', 't.')}", unique=True
)


def stream_rows(
    cursor: Any, dialect: Dialect, source: str, stream: str, opened: int, after: int = 0, limit: int = _ALL
) -> list[Row]:
    """A stream's foldable events by position, as `to_event` takes them. `opened`: the position that first named it.

    Of those behind the position `after`, at most so many, the first ones.
    """
    cursor.execute(_STREAM.replace("?", dialect.mark), (source, opened, stream, after, limit))
    events = cursor.fetchall()
    keys = [(source, event[0]) for event in events]
    bodies: dict[int, bytes] = dict(dialect.lookup(cursor, _BODIES, keys)) if keys else {}
    return [(*event, bodies[event[0]]) for event in events if event[0] in bodies]


def to_event(
    position: int,
    key: bytes,
    kind: str | None,
    received_at: int,
    verified_by: str | None,
    body: bytes,
    *,
    read: BodyReader,
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
