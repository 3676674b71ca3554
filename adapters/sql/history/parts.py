"""Parts of long streams, folded from the prefix before them: the cost depends on the part's length alone."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable

from adapters.sql.history.historical import Arrival, arrival_of
from adapters.sql.history.part_reader import ALL, PartReader, StoredPart, StoredPrefix
from adapters.sql.history.past_parts import PastPartReader
from adapters.sql.history.shared import once
from adapters.sql.projections.current import Current
from adapters.sql.projections.projection import Code
from adapters.sql.queries import as_of
from adapters.sql.queries.as_of import Repeat
from adapters.sql.queries.parts import measurements_begun, measurements_between, measurements_called
from adapters.sql.queries.streams import Measured, Projected
from adapters.sql.reads.reads import Reads
from core.clocks import Clocks, covers
from core.folding import fold, prefixes
from core.folding.prefixes import NUMBERED
from core.views.timeline import Following

MANY = 500
"""The most values in one statement."""

_NOW = Clocks(ALL)

Row = Projected | Measured


class StreamPart(NamedTuple):
    """A part of a stream, the repeated deliveries of its events, and whether it reaches the end of the stream."""

    part: Following
    arrivals: list[Arrival]
    repeats: list[Repeat]
    at_end: bool


class StreamParts:
    """Thread-safe. Every method raises Unavailable while the database is away.

    `clocks` are those of the row; None: the present. Every method returns None if the whole stream is needed.
    """

    def __init__(self, reads: Reads, code: Code, current: Current) -> None:
        self._reads = reads
        self._code = code
        self._current = current

    def behind(self, row: Row, position: int, most: int, clocks: Clocks | None = None) -> StreamPart | None:
        """At least `most` events from a position on, or all to the end."""
        return self._part(row, clocks, lambda reader: reader.read(position, None, most), holds=position)

    def between(self, row: Row, first: int, last: int, clocks: Clocks | None = None) -> StreamPart | None:
        """At least the events from `first` to `last`."""
        return self._part(row, clocks, lambda reader: reader.read(first, last, 0), holds=first)

    def newest(self, row: Projected, run: int, most: int, clocks: Clocks | None = None) -> StreamPart | None:
        """At least the newest `most` events of the stream's last run."""
        enough = most // prefixes.EVERY + 2

        def read(reader: PartReader) -> StoredPart | None:
            ends = reader.newest(enough)
            furthest = ends[-1][0] if len(ends) == enough else 0
            before = next((position for position, of_run in ends if of_run < run), furthest)
            return reader.read(before + 1, ALL, 0)

        return self._part(row, clocks, read, holds=0)

    def before(self, row: Projected, position: int, most: int, clocks: Clocks | None = None) -> StreamPart | None:
        """At least the events up to a position, about `most` before it; fewer if some came late."""
        enough = most // prefixes.EVERY + 2

        def read(reader: PartReader) -> StoredPart | None:
            ends = reader.newest(enough, position)
            furthest = ends[-1][0] if len(ends) == enough else 0
            return reader.read(furthest + 1, position, 0)

        return self._part(row, clocks, read, holds=position)

    def _part(
        self, row: Row, clocks: Clocks | None, read: Callable[[PartReader], StoredPart | None], *, holds: int
    ) -> StreamPart | None:
        if clocks is not None and row.fingerprint not in once("built", self._current.built):
            return None
        with self.held_still() as connection:
            stored = read(PartReader(connection, row) if clocks is None else PastPartReader(connection, row, clocks))
            if stored is None or (stored.first is not None and holds in stored.first.held()):
                return None
            return self._told(connection, row, stored, clocks)

    def _told(self, connection: Connection, row: Row, stored: StoredPart, clocks: Clocks | None) -> StreamPart | None:
        found = self.following(connection, row, stored, clocks)
        if found is None:
            return None
        part, arrivals = found
        if row.machine == NUMBERED:
            part.names = self._names(connection, row, part, stored.upto, past=clocks is not None)
        at = [one.position for one in part.events if one.position in stored.doubled]
        told = _found(connection, lambda some: as_of.repeats(row.source, some, clocks or _NOW), at)
        return StreamPart(part, arrivals, [Repeat(*one) for one in told], stored.until is None)

    @contextmanager
    def held_still(self) -> Iterator[Connection]:
        """A connection that sees one snapshot of the database."""
        with self._reads.together(), self._reads.connected() as connection:
            yield connection

    def following(
        self, connection: Connection, row: Row, stored: StoredPart, clocks: Clocks | None
    ) -> tuple[Following, list[Arrival]] | None:
        """The part without names, and its events as they arrived; None if one of them is not folded."""
        machine, read = fold.MACHINES[row.machine], self._code.sources[row.source].read
        arrivals = [once(("arrival", row.source, *one), partial(arrival_of, read, *one)) for one in stored.rows]
        if not all(one.foldable for one in arrivals):
            return None
        if clocks is not None:
            arrivals = [one for one in arrivals if covers(clocks, one.event)]
        arrivals.sort(key=lambda one: one.event.position)
        first, events = stored.first, [one.event for one in arrivals]
        part = Following(events, machine.State() if first is None else fold.decode(machine, first.snapshot))
        if stored.before is not None:
            part.before = arrival_of(read, *stored.before).event
        part.late = stored.until.held() if stored.until is not None else frozenset()
        if first is not None:
            part.gone = self._gone(connection, row, stored, part, first)
        return part, arrivals

    def _gone(
        self, connection: Connection, row: Row, stored: StoredPart, part: Following, first: StoredPrefix
    ) -> frozenset[str]:
        """The provider's ids of measurements that the events name and that began before the part, but are no longer in
        the prefix's state.
        """
        named = {name for event in part.events if (name := part.state.elsewhere(event)) is not None}
        session = stored.named.provider_id or ""
        ours = [self._code.ids.measurement(row.source, session, name, "") for name in sorted(named)]
        found = _found(connection, lambda some: measurements_called(row, some), ours)
        held, here = first.held(), {record.position for record in part.state.records()}
        begun = ((name, at) for at, name in found if at <= first.position or at in held)
        return frozenset(name for name, at in begun if at not in here)

    def _names(
        self, connection: Connection, row: Row, part: Following, upto: int, *, past: bool
    ) -> dict[int, str | None]:
        """The ids of a part's measurements, now or in the past: a measurement that has left a state keeps its id."""
        here = [event.position for event in part.events if event.position <= upto]
        apart = [event.position for event in part.events if event.position > upto]
        apart += [record.position for record in part.state.records()]
        names = dict(_found(connection, lambda some: measurements_begun(row, some), apart))
        if here:
            names |= dict(connection.execute(measurements_between(row, here[0], here[-1])).all())
        if past:
            then = fold.decode(fold.MACHINES[row.machine], row.snapshot)
            names |= {record.position: record.measurement_id for record in then.records()}
        return names


def _found(
    connection: Connection, asked: Callable[[Sequence[Any]], Executable], values: Sequence[Any]
) -> Iterator[tuple[Any, ...]]:
    """The rows of all values, a limited number in each statement."""
    for start in range(0, len(values), MANY):
        yield from map(tuple, connection.execute(asked(values[start : start + MANY])))
