"""Parts of long streams, told from the prefix before them: what they cost is their length, not that of their stream."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, Select

from adapters.sql.projections.projection import Code
from adapters.sql.reads import reads_as_of
from adapters.sql.reads.historical import Arrival, arrival_of
from adapters.sql.reads.reads import Reads
from adapters.sql.reads.reads_as_of import Repeat
from adapters.sql.reads.reads_parts import (
    PartReader,
    StoredPart,
    last_prefix_before,
    measurements_begun,
    measurements_called,
    newest_prefixes,
)
from adapters.sql.reads.reads_streams import Measured, Projected
from core import fold, prefixes
from core.clocks import Clocks
from core.prefixes import NUMBERED
from core.timeline import Following

MANY = 500
"""Values in one statement."""

_ALL = 1 << 62
_NOW = Clocks(_ALL)

Row = Projected | Measured


class StreamPart(NamedTuple):
    """A part of a stream as it is now, how often the keys of its events came again, and whether it is the last one."""

    part: Following
    arrivals: list[Arrival]
    repeats: list[Repeat]
    at_end: bool


class StreamParts:
    """Any thread may ask. Every method raises Unavailable while the database is away.

    None: the stream has to be told as a whole.
    """

    def __init__(self, reads: Reads, code: Code) -> None:
        self._reads = reads
        self._code = code

    def behind(self, row: Row, position: int, most: int) -> StreamPart | None:
        """About so many events from one on, or more."""
        return self._part(row, last_prefix_before(row, position), None, most, holds=position)

    def between(self, row: Row, first: int, last: int) -> StreamPart | None:
        """From one event to another, or more."""
        return self._part(row, last_prefix_before(row, first), last, 0, holds=first)

    def newest(self, row: Projected, run: int, most: int) -> StreamPart | None:
        """The newest events, so many of the stream's last run, and others before them."""
        enough = most // prefixes.EVERY + 2
        with self._reads.connected() as connection:
            ends = connection.execute(newest_prefixes(row, enough)).all()
        furthest = ends[-1].position if len(ends) == enough else 0
        before = next((position for position, of_run in ends if of_run < run), furthest)
        return self._part(row, last_prefix_before(row, before + 1), _ALL, 0, holds=0)

    def before(self, row: Projected, position: int, most: int) -> StreamPart | None:
        """From some events before one up to that, or more: so many of them, but for one that came late."""
        enough = most // prefixes.EVERY + 2
        with self._reads.connected() as connection:
            ends = connection.execute(newest_prefixes(row, enough, position)).all()
        furthest = ends[-1].position if len(ends) == enough else 0
        return self._part(row, last_prefix_before(row, furthest + 1), position, 0, holds=position)

    def _part(self, row: Row, first: Select[Any], until: int | None, most: int, *, holds: int) -> StreamPart | None:
        with self._reads.connected() as connection:
            stored = PartReader(connection, row).read(first, until, most)
            if stored is None or (stored.first is not None and holds in stored.first.held()):
                return None
            return self._told(connection, row, stored)

    def _told(self, connection: Connection, row: Row, stored: StoredPart) -> StreamPart | None:
        machine, read = fold.MACHINES[row.machine], self._code.sources[row.source].read
        arrivals = [arrival_of(read, *one) for one in stored.rows]
        if not all(one.foldable for one in arrivals):
            return None
        arrivals.sort(key=lambda one: one.event.position)
        first, events = stored.first, [one.event for one in arrivals]
        part = Following(events, machine.State() if first is None else fold.decode(machine, first.snapshot))
        if stored.before is not None:
            part.before = arrival_of(read, *stored.before).event
        part.late = stored.until.held() if stored.until is not None else frozenset()
        if machine.name == NUMBERED:
            self._name(connection, row, stored, part)
        at = [one.position for one in events]
        told = _found(connection, lambda some: reads_as_of.repeats(row.source, some, _NOW), at)
        return StreamPart(part, arrivals, [Repeat(*one) for one in told], stored.until is None)

    def _name(self, connection: Connection, row: Row, stored: StoredPart, part: Following) -> None:
        """Which measurements that the events name have left the prefix's state, and what those here are called."""
        source, session, first = row.source, stored.named.provider_id or "", stored.first
        here = {record.position for record in part.state.records()}
        if first is not None:
            named = {name for event in part.events if (name := part.state.elsewhere(event)) is not None}
            ours = [self._code.ids.measurement(source, session, name, "") for name in sorted(named)]
            found = _found(connection, lambda some: measurements_called(row, some), ours)
            held = first.held()
            begun = ((name, at) for at, name in found if at <= first.position or at in held)
            part.gone = frozenset(name for name, at in begun if at not in here)
        begins = sorted({*here, *(event.position for event in part.events)})
        part.names = dict(_found(connection, lambda some: measurements_begun(row, some), begins))


def _found(
    connection: Connection, asked: Callable[[Sequence[Any]], Executable], values: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    """The rows of all values: of so many that one statement could not have them."""
    for start in range(0, len(values), MANY):
        yield from map(tuple, connection.execute(asked(values[start : start + MANY])))
