"""Statements on a part of a long stream: events between two of its prefixes, as they are now."""

from collections.abc import Collection, Iterator, Sequence
from itertools import islice, takewhile
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, select

from adapters.sql.database.snapshot import hold_still
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
from adapters.sql.reads.reads_as_of import Named, stored_events
from adapters.sql.reads.reads_streams import Measured, Projected
from core import fold

MOST = 20_000
"""Events of a part at most: of a longer one the whole stream is told."""

_PIECE = 128
_ALL = 1 << 62
_stream_of = (
    select(events.c.stream)
    .where(events.c.source == retractions.c.source, events.c.position == retractions.c.position)
    .scalar_subquery()
)
"""Of a retracted event. Of a join, SQLite would make a walk through all events of the source."""

_others = msgspec.msgpack.Decoder(list[int])


class StoredPrefix(NamedTuple):
    """A row of `prefixes`."""

    position: int
    last: int
    others: bytes
    snapshot: bytes

    def held(self) -> frozenset[int]:
        """What it holds beside the events up to its position."""
        return frozenset(_others.decode(self.others))


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
    """Reads one part in one transaction, which sees one state."""

    def __init__(self, connection: Connection, row: Projected | Measured) -> None:
        self._connection = connection
        self._row = row
        hold_still(connection)

    def read(self, first: Select[Any], until: int | None, most: int) -> StoredPart | None:
        """From the prefix that `first` finds up to one behind the event `until`, or behind so many events.

        None where the stream has to be told as a whole: it waits to be folded, not all of it is in the fold, it has
        moved on since its row was read, or the part is too long.
        """
        named = self._named()
        if named is None or not self._is_current() or not self._is_whole(named):
            return None
        start = self._prefix(first)
        above = start.position if start is not None else 0
        if until is None:
            until = self._connection.scalar(_positions(named, above).limit(1).offset(most))
        end = None if until is None else self._prefix(_prefixes(self._row, until))
        held = frozenset[int]() if start is None else start.held()
        rows = [row for row in self._rows(named, above, held, end) if row[0] not in held]
        if len(rows) > MOST:
            return None
        before = None if start is None else self._event(named, start.last)
        return StoredPart(named, start, end, rows, before)

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
        return all(self._connection.execute(one.limit(1)).first() is None for one in (waits, gone, back))

    def _prefix(self, query: Select[Any]) -> StoredPrefix | None:
        found = self._connection.execute(query).first()
        if found is None:
            return None
        position, last, others, snapshot = found
        return StoredPrefix(position, last, bytes(others), bytes(snapshot))

    def _rows(self, named: Named, above: int, held: Collection[int], end: StoredPrefix | None) -> list[Any]:
        last = end.position if end is not None else _ALL
        behind = takewhile(lambda row: row[0] <= last, self._rows_behind(named, above))
        rows = list(islice(behind, MOST + len(held) + 1))
        if end is not None and end.held():
            more = stored_events().where(events.c.source == named.source, events.c.position.in_(sorted(end.held())))
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


def last_prefix_before(row: Projected | Measured, position: int) -> Select[Any]:
    """The longest one whose events have all come before that position."""
    return _of(row).where(prefixes.c.position < position).order_by(prefixes.c.position.desc()).limit(1)


def newest_prefixes(row: Projected, most: int, before: int = _ALL) -> Select[Any]:
    """(position, run) of the longest ones whose events have all come before that position."""
    ends = _of(row).with_only_columns(prefixes.c.position, prefixes.c.run).where(prefixes.c.position < before)
    return ends.order_by(prefixes.c.position.desc()).limit(most)


def measurements_called(row: Projected | Measured, names: Sequence[str]) -> Select[Any]:
    """(first position, the provider's id) of measurements by our ids."""
    its = measurements.c
    own = (its.source == row.source, its.measurement.in_(names), its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own)


def measurements_begun(row: Projected | Measured, positions: Sequence[int]) -> Select[Any]:
    """The same of those that began with these events."""
    its = measurements.c
    own = (its.stream == row.stream, its.opened.in_(positions), its.fingerprint == row.fingerprint)
    return select(its.opened, its.measurement_id).where(*own, its.source == row.source)


def _prefixes(row: Projected | Measured, until: int) -> Select[Any]:
    return _of(row).where(prefixes.c.position >= until).order_by(prefixes.c.position).limit(1)


def _of(row: Projected | Measured) -> Select[Any]:
    its = prefixes.c
    own = (its.source == row.source, its.stream == row.stream, its.fingerprint == row.fingerprint)
    return select(its.position, its.last, its.others, its.snapshot).where(*own)


def _positions(named: Named, above: int) -> Select[Any]:
    return select(events.c.position).where(*_in_stream(named), events.c.position > above).order_by(events.c.position)


def _in_stream(named: Named) -> tuple[ColumnElement[bool], ...]:
    return events.c.source == named.source, events.c.opened == named.opened, events.c.stream == named.stream
