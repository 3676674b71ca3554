"""Statements on parts of long streams, at present or in the past.

The statements that every part needs are SQL text: compiling them with SQLAlchemy would cost more than running them.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, exists, func, select

from adapters.sql.database.tables import events, measurements, prefixes, projections, runs, unfolded
from adapters.sql.dialects.dialect import Lookup
from adapters.sql.projections.dirty_streams import CLAIMED
from adapters.sql.queries import as_of
from adapters.sql.queries.as_of import StreamRow, there_is
from adapters.sql.queries.streams import STREAM_ROWS, Measured, Projected
from core.clocks import Clocks
from core.states.state import BLOCK

BY_STREAM = "ix_events_source_opened_position"
"""The index of `{by_stream}`."""

_WAITS = "SELECT 1 FROM unfolded u WHERE u.source = s.source AND u.stream = s.stream AND u.version = p.fingerprint"
_GONE = "SELECT 1 FROM erased e WHERE e.source = s.source AND e.stream = s.stream"
_BACK = (
    "SELECT 1 FROM retractions r WHERE r.source = s.source AND r.position >= s.opened AND s.stream = "
    "(SELECT e.stream FROM events e WHERE e.source = r.source AND e.position = r.position)"
)
"""With a join, SQLite would scan all events of the source."""

STREAM = (
    "SELECT s.kind, s.provider_id, s.opened, p.position, p.conflicts, p.snapshot, "
    f"EXISTS ({_WAITS}), EXISTS ({_GONE}), EXISTS ({_BACK}) "
    "FROM streams s JOIN projections p ON p.source = s.source AND p.stream = s.stream "
    "WHERE s.source = ? AND s.stream = ? AND p.fingerprint = ?"
)
"""A stream and its projection; whether it is dirty, and whether any of it was erased or retracted."""

_OWN = "FROM prefixes WHERE source = ? AND stream = ? AND fingerprint = ?"
NEWEST = f"SELECT position, run {_OWN} AND position < ? ORDER BY position DESC LIMIT ?"
LAST_BEFORE = f"SELECT position, last, others, snapshot {_OWN} AND position < ? ORDER BY position DESC LIMIT 1"
FIRST_FROM = f"SELECT position, last, others, snapshot {_OWN} AND position >= ? ORDER BY position LIMIT 1"

AHEAD = f"SELECT position, last, others, run, NULL {_OWN} AND position <= ? ORDER BY position"
AHEAD_IN_TIME = (
    "SELECT p.position, p.last, p.others, p.run, e.occurred_at FROM prefixes p "
    "JOIN events e ON e.source = p.source AND e.position = p.last "
    "WHERE p.source = ? AND p.stream = ? AND p.fingerprint = ? AND p.position <= ? ORDER BY p.position"
)
"""Prefixes without their states, and when their last events happened."""

FOLLOWING = (
    "SELECT position FROM events{by_stream} WHERE source = ? AND opened = ? AND position > ? "
    "ORDER BY position LIMIT 1 OFFSET ?"
)
"""Where a part of about that size ends. It may count events of another stream that the same event first named. With
a condition on the stream, PostgreSQL would expect few rows and sort all of a long stream.
"""

_TOLD = (
    "t.position, t.key, t.type, t.received_at, t.verified_by, p.body, t.recorded_at, r.retraction, t.sequence, "
    f"t.occurred_at, {as_of.CAME_AGAIN}"
)
_BESIDE = (
    " LEFT JOIN payloads p ON p.source = t.source AND p.position = t.position"
    " LEFT JOIN retractions r ON r.source = t.source AND r.position = t.position"
)
PART = (
    f"SELECT {_TOLD} FROM events t{{by_stream}}{_BESIDE} WHERE t.source = ? AND t.opened = ? AND t.stream = ? "
    "AND t.position > ? AND t.position <= ? ORDER BY t.position LIMIT ?"
)
EVENTS_AT = Lookup(_TOLD, events, ("source", "position"), _BESIDE)
"""The arguments of `arrival_of`, and whether the event was delivered again."""


def long_streams(some: Sequence[StreamRow], versions: Sequence[str]) -> Select[Any]:
    """Columns of Projected for those streams that have prefixes."""
    its, own = projections.c, prefixes.c
    sources, names = {named.source for named in some}, [named.stream for named in some]
    query = STREAM_ROWS.where(its.source.in_(sources), its.stream.in_(names), its.fingerprint.in_(versions))
    its_own = (own.source == its.source, own.stream == its.stream, own.fingerprint == its.fingerprint)
    return query.where(there_is(prefixes, *its_own))


def conflicts_of(row: Projected, at: Sequence[int], clocks: Clocks) -> Select[Any]:
    """The positions of those conflicts of a stream, among these, that had happened and were known."""
    told = as_of.repeats(row.source, at, clocks).subquery()
    happened = func.coalesce(events.c.occurred_at, events.c.received_at)
    query = select(told.c.position).distinct().join(events, events.c.position == told.c.position)
    query = query.where(events.c.source == row.source, told.c.verdict == "conflict", told.c.position <= clocks.position)
    return query if clocks.as_of is None else query.where(happened <= clocks.as_of)


def measurements_called(row: Projected | Measured, names: Sequence[str]) -> Select[Any]:
    """(first position, provider's id) of measurements by our ids."""
    its = measurements.c
    own = (its.source == row.source, its.measurement.in_(names), its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own)


def measurements_before(row: Projected, opened: int, most: int) -> Select[Any]:
    """Columns of `measurements`: the newest `most` of a session that began before a position."""
    its = measurements.c
    own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
    return select(measurements).where(*own, its.opened < opened).order_by(its.opened.desc()).limit(most)


def measurements_begun(row: Projected | Measured, positions: Sequence[int]) -> Select[Any]:
    """The same for those that began with these events."""
    return _begun(row).where(measurements.c.opened.in_(positions))


def measurements_between(row: Projected | Measured, first: int, last: int) -> Select[Any]:
    """The same for those that began between two positions, inclusive."""
    return _begun(row).where(measurements.c.opened.between(first, last))


def _begun(row: Projected | Measured) -> Select[Any]:
    its = measurements.c
    own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own)


def blocks_of(row: Projected, after: int, upto: int, limit: int) -> Select[Any]:
    """The blocks with the stream's first runs after the number `after`, up to `upto`.

    Each row also says whether blocks are being rewritten, so that they may not match the stream's snapshot.
    """
    mine = (runs.c.source == row.source, runs.c.stream == row.stream, runs.c.fingerprint == row.fingerprint)
    mark = (unfolded.c.source == row.source, unfolded.c.stream == row.stream, unfolded.c.version == row.fingerprint)
    written = exists().where(*mark, unfolded.c.beside >= CLAIMED)
    query = select(runs.c.runs, written).where(*mine, runs.c.first > after - BLOCK, runs.c.first <= upto)
    return query.order_by(runs.c.first).limit(limit // BLOCK + 2)
