"""Statements on a part of a long stream: events between two of its prefixes, as they are now or as they were."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, func, or_, select

from adapters.sql.database.tables import (
    erased,
    events,
    measurements,
    prefixes,
    projections,
    retractions,
    streams,
    unfolded,
)
from adapters.sql.reads import reads_as_of
from adapters.sql.reads.reads_as_of import Named, stored_events, there_is
from adapters.sql.reads.reads_streams import STREAM_ROWS, Measured, Projected
from core import fold
from core.clocks import Clocks

MOST = 20_000
"""Events of a part at most: of a longer one the whole stream is told."""

_PIECE = 128
ALL = 1 << 62
"""Behind every position."""
_stream_of = (
    select(events.c.stream)
    .where(events.c.source == retractions.c.source, events.c.position == retractions.c.position)
    .scalar_subquery()
)
"""Of a retracted event. Of a join, SQLite would make a walk through all events of the source."""

_others = msgspec.msgpack.Decoder(list[int])


def others_in(stored: bytes) -> list[int]:
    """The positions in a row's column `others`."""
    return _others.decode(bytes(stored))


class StoredPrefix(NamedTuple):
    """A row of `prefixes`."""

    position: int
    last: int
    others: bytes
    snapshot: bytes

    def held(self) -> frozenset[int]:
        """What it holds beside the events up to its position."""
        return frozenset(others_in(self.others))


class StoredPart(NamedTuple):
    """What a part is made of: the prefixes on both sides (None: the stream's beginning, its end), and stored events.

    `rows` are those of `reads_as_of.history`, by position; `before` is the row of the last event of the prefix.
    """

    named: Named
    first: StoredPrefix | None
    until: StoredPrefix | None
    rows: list[Any]
    before: Any | None


class PartReader:
    """Reads parts of one stream as it is, over a connection that is held still."""

    def __init__(self, connection: Connection, row: Projected | Measured) -> None:
        self._connection = connection
        self._row = row

    def newest(self, most: int, before: int = ALL) -> list[tuple[int, int]]:
        """(position, run) of so many prefixes, those that end last before that position."""
        its = prefixes.c
        query = prefixes_of(self._row).with_only_columns(its.position, its.run).where(its.position < before)
        found = self._connection.execute(query.order_by(its.position.desc()).limit(most))
        return [(position, run) for position, run in found]

    def read(self, before: int, until: int | None, most: int) -> StoredPart | None:
        """From the longest prefix that ends before a position up to one behind the event `until`, or so many events on.

        None where the stream has to be told as a whole: it waits to be folded, not all of it is in the fold, it has
        moved on since its row was read, or the part is too long.
        """
        named = self._named()
        if named is None or not self._is_current() or not self._is_whole(named):
            return None
        start = self._last_before(before)
        above = start.position if start is not None else 0
        if until is None:
            until = self._connection.scalar(_positions(named, above).limit(1).offset(most))
        end = None if until is None else self._first_from(until)
        held = frozenset[int]() if start is None else start.held()
        rows = [row for row in self._rows(named, above, held, end) if row[0] not in held]
        if len(rows) > MOST:
            return None
        return StoredPart(named, start, end, rows, None if start is None else self._event(named, start.last))

    def _named(self) -> Named | None:
        row = self._row
        query = select(streams.c.source, streams.c.stream, streams.c.kind, streams.c.provider_id, streams.c.opened)
        found = self._connection.execute(query.where(streams.c.source == row.source, streams.c.stream == row.stream))
        return next((Named._make([*one, None, None, None, None]) for one in found), None)

    def _is_current(self) -> bool:
        """Whether the stream is where it was when its row was read: its prefixes are of the same events then."""
        row, its = self._row, projections.c
        own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
        position = self._connection.scalar(select(its.position).where(*own))
        return bool(position == fold.decode(fold.MACHINES[row.machine], row.snapshot).position)

    def _is_whole(self, named: Named) -> bool:
        """Whether the prefixes hold, and every event of the stream is folded."""
        here = unfolded.c.source == named.source, unfolded.c.stream == named.stream
        waits = select(unfolded.c.token).where(*here, unfolded.c.version == self._row.fingerprint)
        gone = select(erased.c.position).where(erased.c.source == named.source, erased.c.stream == named.stream)
        back = select(retractions.c.position).where(
            retractions.c.source == named.source, retractions.c.position >= named.opened, _stream_of == named.stream
        )
        return not self._connection.scalar(select(or_(waits.exists(), gone.exists(), back.exists())))

    def _last_before(self, position: int) -> StoredPrefix | None:
        its = prefixes.c.position
        return self._prefix(prefixes_of(self._row).where(its < position).order_by(its.desc()).limit(1))

    def _first_from(self, position: int) -> StoredPrefix | None:
        its = prefixes.c.position
        return self._prefix(prefixes_of(self._row).where(its >= position).order_by(its).limit(1))

    def _prefix(self, query: Select[Any]) -> StoredPrefix | None:
        found = self._connection.execute(query).first()
        if found is None:
            return None
        position, last, others, snapshot = found
        return StoredPrefix(position, last, bytes(others), bytes(snapshot))

    def _rows(self, named: Named, above: int, held: Collection[int], end: StoredPrefix | None) -> list[Any]:
        return self._rows_up_to(named, above, len(held), ALL if end is None else end.position, end and end.held())

    def _rows_up_to(self, named: Named, above: int, held: int, last: int, others: Collection[int] | None) -> list[Any]:
        """From above a position up to another one, and those at `others`; but if they are too many, not all."""
        behind = takewhile(lambda row: row[0] <= last, self._rows_behind(named, above))
        rows = list(islice(behind, MOST + held + 1))
        if others:
            more = stored_events().where(events.c.source == named.source, events.c.position.in_(sorted(others)))
            rows += self._connection.execute(more)
        return rows

    def _rows_behind(self, named: Named, above: int) -> Iterator[Any]:
        """With both bounds in a statement SQLite would read all events of the source between them."""
        rows = [(above,)]
        while rows:
            its = stored_events().where(*_in_stream(named), events.c.position > rows[-1][0])
            rows = list(self._connection.execute(its.limit(_PIECE)))
            yield from rows

    def _event(self, named: Named, position: int) -> Any:
        its = stored_events().where(events.c.source == named.source, events.c.position == position)
        return self._connection.execute(its).one()


def long_streams(some: Sequence[Named], versions: Sequence[str]) -> Select[Any]:
    """Columns of Projected: of those of the streams that have prefixes."""
    its, own = projections.c, prefixes.c
    sources, names = {named.source for named in some}, [named.stream for named in some]
    query = STREAM_ROWS.where(its.source.in_(sources), its.stream.in_(names), its.fingerprint.in_(versions))
    its_own = (own.source == its.source, own.stream == its.stream, own.fingerprint == its.fingerprint)
    return query.where(there_is(prefixes, *its_own))


def conflicts_of(row: Projected, at: Sequence[int], clocks: Clocks) -> Select[Any]:
    """(position): which of a stream's events at these positions had happened, their keys being known to be doubled."""
    told = reads_as_of.repeats(row.source, at, clocks).subquery()
    happened = func.coalesce(events.c.occurred_at, events.c.received_at)
    query = select(told.c.position).distinct().join(events, events.c.position == told.c.position)
    query = query.where(events.c.source == row.source, told.c.verdict == "conflict", told.c.position <= clocks.position)
    return query if clocks.as_of is None else query.where(happened <= clocks.as_of)


def measurements_called(row: Projected | Measured, names: Sequence[str]) -> Select[Any]:
    """(first position, the provider's id) of measurements by our ids."""
    its = measurements.c
    own = (its.source == row.source, its.measurement.in_(names), its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own)


def measurements_before(row: Projected, opened: int, most: int) -> Select[Any]:
    """Columns of `measurements`: so many of a session's, the newest of those that began before a position."""
    its = measurements.c
    own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
    return select(measurements).where(*own, its.opened < opened).order_by(its.opened.desc()).limit(most)


def measurements_begun(row: Projected | Measured, positions: Sequence[int]) -> Select[Any]:
    """The same of those that began with these events."""
    its = measurements.c
    own = (its.stream == row.stream, its.opened.in_(positions), its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own, its.source == row.source)


def prefixes_of(row: Projected | Measured) -> Select[Any]:
    """Columns of StoredPrefix: all of a stream."""
    its = prefixes.c
    own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
    return select(its.position, its.last, its.others, its.snapshot).where(*own)


def _positions(named: Named, above: int) -> Select[Any]:
    return select(events.c.position).where(*_in_stream(named), events.c.position > above).order_by(events.c.position)


def _in_stream(named: Named) -> tuple[ColumnElement[bool], ...]:
    return events.c.source == named.source, events.c.opened == named.opened, events.c.stream == named.stream
