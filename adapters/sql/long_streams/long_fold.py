"""Refolds a long stream, from the last usable prefix before the events that it lacks, or else from its first event."""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from sys import intern
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from adapters.sql.projections.dirty_streams import DirtyStream
from adapters.sql.projections.erased import new_measurement_id
from adapters.sql.projections.projection import Code, Projection
from adapters.sql.projections.refold import MEASUREMENTS, Refolder
from adapters.sql.projections.stored_events import rows_at, stream_pieces, to_event
from core.event import Event
from core.folding import fold
from core.folding.long_fold import bare, fold_behind, fold_loaded
from core.folding.prefixes import NUMBERED, Prefix
from core.states.state import Segment, StateMachine

_OWN = "source = ? AND stream = ? AND fingerprint = ?"
_FOLDED = f"SELECT position FROM projections WHERE {_OWN}"
_PLACES = f"SELECT position FROM prefixes WHERE {_OWN} ORDER BY position"
_PREFIX = f"SELECT position, last, others, snapshot FROM prefixes WHERE {_OWN} AND position = ?"
_BEGAN = Lookup("t.opened", tables.measurements, ("source", "measurement", "fingerprint"))
_BEHIND = f"SELECT {', '.join(MEASUREMENTS.names)} FROM measurements{{}} WHERE {_OWN} AND opened >= ?"
_OPENED = MEASUREMENTS.names.index("opened")
_others = msgspec.msgpack.Decoder(list[int])


class Beginning(msgspec.Struct, gc=False):
    """The prefix that a fold began with. `records` are the measurements in its state, by position."""

    position: int
    others: frozenset[int]
    records: frozenset[int]

    def holds(self, position: int) -> bool:
        """Whether the prefix contains the event at that position."""
        return position <= self.position or position in self.others


class LongFold(msgspec.Struct, gc=False):
    """A stream folded up to `position`. With `begins`, its rows hold only what changed after that prefix."""

    projection: Projection
    position: int
    begins: Beginning | None


class LongFolds:
    """Folds streams with few bodies in memory at a time."""

    def __init__(self, dialect: Dialect, code: Code, refolder: Refolder) -> None:
        self._dialect = dialect
        self._code = code
        self._refolder = refolder

    def fold(self, cursor: Any, one: DirtyStream, *, whole: bool) -> LongFold:
        """Folds a stream. Without `whole`, only new events came since its row was written, and none was retracted."""
        projection, onto = self._refolder.begun(cursor, one)
        source, machine = self._code.sources[one.source], projection.machine
        rest = _Rest(cursor, self._dialect, one, self._code)
        found = None
        if not whole and onto is None:
            with suppress(msgspec.DecodeError):  # states of another form: no fold continues from them
                found = self._beginning(cursor, one, machine, rest)
        if found is None:
            rest.reach_back_to(0)
            keep = projection.keep
            projection.state = fold_loaded(machine, rest.events, rest.load, source.settings, onto, keep)
            return LongFold(projection, rest.last(one.opened), None)
        prefix, stretches = found
        records = frozenset(record.position for record in prefix.state.records())
        begins = Beginning(prefix.position, frozenset(prefix.others), records)
        projection.state = fold_behind(machine, prefix, stretches, rest.load, source.settings, projection.keep)
        return LongFold(projection, rest.last(one.opened), begins)

    def measured(self, cursor: Any, one: DirtyStream, begins: Beginning | None) -> dict[Row, Row]:
        """The stored rows of measurements that a fold replaces or may remove, by primary key."""
        if begins is None:
            return self._refolder.measured(cursor, one.key)
        first = min([begins.position + 1, *begins.records])
        sql = _BEHIND.format(self._dialect.using("ix_measurements_of_stream"))
        cursor.execute(sql.replace("?", self._dialect.mark), (*one.key, first))
        rows = [tuple(row) for row in cursor.fetchall()]
        return {row[:3]: row for row in rows if row[_OPENED] in begins.records or not begins.holds(row[_OPENED])}

    def prefixes_behind(self, cursor: Any, one: DirtyStream, begins: Beginning | None) -> list[Row]:
        """The primary keys of the prefixes that a fold invalidates."""
        first = begins.position if begins is not None else 0
        return [(*one.key, position) for position in self._places(cursor, one) if position > first]

    def _places(self, cursor: Any, one: DirtyStream) -> list[int]:
        cursor.execute(_PLACES.replace("?", self._dialect.mark), one.key)
        return [position for (position,) in cursor.fetchall()]

    def _beginning(
        self, cursor: Any, one: DirtyStream, machine: StateMachine, rest: "_Rest"
    ) -> tuple[Prefix, list[Segment]] | None:
        """One of the longest prefixes that all other events follow, and those events arranged."""
        cursor.execute(_FOLDED.replace("?", self._dialect.mark), one.key)
        folded = cursor.fetchone()
        if folded is None:
            return None
        rest.reach_back_to(folded[0])
        lacks, places = rest.events, self._places(cursor, one)

        def is_too_long(position: int) -> bool:
            prefix = self._prefix(cursor, one, machine, position)
            return prefix is None or machine.go_on(prefix.state, _behind(prefix, lacks)) is None

        index, step = bisect_left(places, True, key=is_too_long) - 1, 1
        while index >= 0:
            prefix = self._prefix(cursor, one, machine, places[index])
            if prefix is not None:
                rest.reach_back_to(prefix.position)
                events = _behind(prefix, rest.events)
                stretches = machine.go_on(prefix.state, events)
                if stretches is not None and not self._names_what_left(cursor, one, prefix, rest.named(events)):
                    return prefix, stretches
            index, step = index - step, step * 2
        return None

    def _prefix(self, cursor: Any, one: DirtyStream, machine: StateMachine, position: int) -> Prefix | None:
        """A stored prefix; None if another process deleted it."""
        cursor.execute(_PREFIX.replace("?", self._dialect.mark), (*one.key, position))
        found = cursor.fetchone()
        if found is None:
            return None
        at, last, others, snapshot = found
        return Prefix(at, last, _others.decode(bytes(others)), fold.decode(machine, bytes(snapshot)))

    def _names_what_left(self, cursor: Any, one: DirtyStream, prefix: Prefix, names: set[str]) -> bool:
        """Whether a later event names a measurement that left the prefix's state, whose row covers all events."""
        names -= {record.measurement_id for record in prefix.state.records()}
        ids, source = self._code.ids, one.source
        ours = [(source, new_measurement_id(ids, None, source, one.provider_id, name, "")) for name in sorted(names)]
        keys = [(*which, one.version) for which in ours]
        found = self._dialect.lookup(cursor, _BEGAN, keys) if keys else ()
        return any(opened <= prefix.position or opened in prefix.others for (opened,) in list(found))


class _Rest:
    """A stream's last events, bare, by position. Reads further back on demand."""

    def __init__(self, cursor: Any, dialect: Dialect, one: DirtyStream, code: Code) -> None:
        self._cursor = cursor
        self._dialect = dialect
        self._stream = one
        self._read = code.sources[one.source].read
        self._above: int | None = None
        self._names: dict[int, str] = {}
        self._is_numbered = code.machine_of(one.source, one.kind).name == NUMBERED
        self.events: list[Event] = []

    def reach_back_to(self, position: int) -> None:
        """Reads the events after `position` that it does not have yet."""
        if self._above is None or position < self._above:
            self.events = [*self._between(position, self._above), *self.events]
            self._above = position

    def load(self, positions: Iterator[int]) -> Iterator[Event]:
        """The complete events at these positions."""
        for row in rows_at(self._cursor, self._dialect, self._stream.source, positions):
            yield to_event(*row, read=self._read)

    def named(self, events: Sequence[Event]) -> set[str]:
        """The ids of the measurements that these events name."""
        return {self._names[event.position] for event in events if event.position in self._names}

    def last(self, otherwise: int) -> int:
        """The position of the last event."""
        return self.events[-1].position if self.events else otherwise

    def _between(self, after: int, upto: int | None) -> Iterator[Event]:
        one = self._stream
        for rows in stream_pieces(self._cursor, self._dialect, one.source, one.stream, one.opened, after):
            for row in rows:
                if upto is not None and row[0] > upto:
                    return
                event = to_event(*row, read=self._read)
                if self._is_numbered:
                    self._note(event.position, event.data)
                yield bare(event)

    def _note(self, position: int, data: Mapping[str, Any]) -> None:
        name = data.get("measurement_id")
        if isinstance(name, str):
            self._names[position] = intern(name)


def _behind(prefix: Prefix, events: Sequence[Event]) -> list[Event]:
    others = frozenset(prefix.others)
    return [event for event in events if event.position > prefix.position and event.position not in others]
