"""Loads stored events for the fold. Each is read from its raw body again, never from an earlier reading."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from core.event import Event, Note, Reading, Unreadable

BodyReader = Callable[[str | None, bytes], Reading | Unreadable]
"""(the event's documented type or None, raw body) -> the reading of the body."""

_STREAM = (
    "SELECT position, key, type, received_at, verified_by FROM events "
    "WHERE source = ? AND opened = ? AND stream = ? AND position > ? ORDER BY position LIMIT ?"
)
"""Without the condition on the position, SQLite scans the primary key, which is all events of the source."""

_ALL = 1 << 62

_PIECE = 500
"""The most events that are in memory with their bodies."""

THERE = "p.body IS NOT NULL"
"""The condition that payload `p` was not erased."""

FOLDABLE = f"{THERE} AND NOT EXISTS (SELECT 1 FROM retractions r WHERE r.source = p.source AND r.position = p.position)"
"""The condition that a fold takes the event: neither erased nor retracted."""

_AT = Lookup(
    "t.position, t.key, t.type, t.received_at, t.verified_by", tables.events, ("source", "position"), unique=True
)
_BODIES = Lookup(
    "t.position, t.body", tables.payloads, ("source", "position"), f" AND {FOLDABLE.replace('p.', 't.')}", unique=True
)


def stream_rows(
    cursor: Any, dialect: Dialect, source: str, stream: str, opened: int, after: int = 0, limit: int = _ALL
) -> list[Row]:
    """The first `limit` foldable events of a stream after position `after`, by position, as `to_event` takes them.

    `opened` is the position that first named the stream.
    """
    return _foldable(cursor, dialect, source, _events(cursor, dialect, (source, opened, stream, after, limit)))


def stream_pieces(
    cursor: Any, dialect: Dialect, source: str, stream: str, opened: int, after: int = 0
) -> Iterator[list[Row]]:
    """The same in pieces, so that not all events are in memory at once."""
    while events := _events(cursor, dialect, (source, opened, stream, after, _PIECE)):
        yield _foldable(cursor, dialect, source, events)
        after = events[-1][0]


def rows_at(cursor: Any, dialect: Dialect, source: str, positions: Iterator[int]) -> Iterator[Row]:
    """The foldable events at these positions, in that order, as `to_event` takes them."""
    while piece := list(islice(positions, _PIECE)):
        events = list(dialect.lookup(cursor, _AT, [(source, position) for position in piece]))
        rows = {row[0]: row for row in _foldable(cursor, dialect, source, events)}
        yield from [rows[position] for position in piece]


def _events(cursor: Any, dialect: Dialect, which: Row) -> list[Row]:
    return list(dialect.run(cursor, _STREAM, *which).fetchall())


def _foldable(cursor: Any, dialect: Dialect, source: str, events: Sequence[Row]) -> list[Row]:
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
    """One stored event. A body that this code cannot read becomes an event that moves nothing, with a note."""
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
