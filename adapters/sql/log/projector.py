"""Folds a batch's events into the projections, in the transaction of the append."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import structlog

from adapters.sql.database import tables
from adapters.sql.database.errors import is_from_driver
from adapters.sql.dialects.dialect import Delete, Dialect, Insert, Lookup, Row, Write, Writes
from adapters.sql.log.stream_cache import STREAMS, CursorFor, StreamCache
from adapters.sql.log.touched_streams import NewEvent, TouchedStream, touched_stream, touched_streams
from adapters.sql.projections.dirty_streams import DirtyStream, count_conflict, is_long, leave_beside, mark_dirty
from adapters.sql.projections.left_measurements import bring_back, named_elsewhere
from adapters.sql.projections.projection import (
    Code,
    Projection,
    changed_rows,
    measurement_rows,
    outdated_rows,
    projection_row,
    run_rows,
    with_conflicts,
    written,
)
from adapters.sql.projections.refold import FORGET_MEASUREMENT, PREFIXES, PROJECTIONS, RUNS, Refolder, fault
from adapters.sql.projections.stored_events import stream_rows, to_event
from core.event import Event
from core.folding import fold
from core.folding.prefixes import Prefix, is_due

_logger = structlog.get_logger()

_MEASUREMENTS = Insert.upsert(tables.measurements, keep=("stream", "measurement_id", "opened"))
_GONE = Delete(tables.measurements)
HOT = (STREAMS, PROJECTIONS, RUNS, PREFIXES, _MEASUREMENTS, _GONE)
"""The writes of nearly every batch."""

_FORGET_MEASURED = "DELETE FROM measurements WHERE source = ? AND stream = ? AND fingerprint = ?"
_STREAM_OF = Lookup("t.source, t.position, t.stream", tables.events, ("source", "position"), unique=True)
_KIND_OF = Lookup("t.source, t.stream, t.kind, t.provider_id", tables.streams, ("source", "stream"))


class Projector:
    """Maintains the projections of the running version of each machine.

    It computes their rows from new events. Streams that cannot be advanced are refolded.
    """

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self._dialect = dialect
        self._code = code
        self._refolder = Refolder(dialect, code)
        self.cache = StreamCache(dialect, code)

    def touch(
        self, cursor: Any, new: Sequence[NewEvent], conflicts: Sequence[tuple[str, int]]
    ) -> dict[Row, TouchedStream]:
        """The streams touched by new events, or by conflicts with old ones. Sets each event's `opened`."""
        touched = touched_streams(new, self._code.ids)
        if conflicts:
            self._touch_conflicts(cursor, touched, self._hit(cursor, new, conflicts))
            # A conflict has no position that would show other processes that the stream changed.
            self.cache.raise_epoch(cursor)
        if touched:
            self.cache.load(cursor, touched, new)
        return touched

    def project_optimistically(self, reading: CursorFor, new: Sequence[NewEvent]) -> dict[Write, list[Row]] | None:
        """The rows that new events make on top of batches not yet acknowledged. None if that needs the append lock.

        A stream that neither the cache nor `reading` has is taken for new: the guard of the write checks that.
        """
        touched = touched_streams(new, self._code.ids)
        try:
            rows = (
                self._project_optimistically(reading, new, touched) if self.cache.version_map.nothing_pending else None
            )
        except Exception as error:
            if is_from_driver(error):
                raise
            rows = None  # a bug of ours, reported when the stream is given up
        if rows is None:
            self.cache.forget_streams(touched)
        return rows

    def _project_optimistically(
        self, reading: CursorFor, new: Sequence[NewEvent], touched: dict[Row, TouchedStream]
    ) -> dict[Write, list[Row]] | None:
        begun = self.cache.load_optimistically(reading, touched, new)
        if begun is None:
            return None
        sessions = [(self.cache[stream], touch.events) for stream, touch in touched.items()]
        if wanted := named_elsewhere(self._code.ids, sessions):
            cursor = reading({(one.source, one.stream) for one in wanted.values()})
            if cursor is None:
                return None
            bring_back(cursor, self._dialect, wanted)
        rows: dict[Write, list[Row]] = {into: [] for into in HOT} | {STREAMS: begun}
        for stream, touch in touched.items():
            one = self.cache[stream]
            if not self._advance(one, touch):
                return None
            gone, made = self._rows_of(one)
            if any(key in one.measured for key in gone):  # one statement cannot delete and insert the same row
                return None
            rows[_GONE] += gone
            for into, some in made.items():
                rows[into] += some
        return rows

    def project(self, writes: Writes, touched: dict[Row, TouchedStream], head: int) -> None:
        """Adds the projections of touched streams to the writes, after their new events. `head` is the last position.

        Streams without a built version of this code are marked, as all streams are for other code's versions.
        """
        if not touched:
            return
        if not self.cache.version_map.nothing_pending:
            writes.flush()
            touched = self._leave_marks(writes.cursor, touched, head)
        attempt = partial(self._attempt, writes.cursor, head)
        places = [(self.cache[stream], touch) for stream, touch in touched.items()]
        self._bring_back(writes, places)
        behind = [(one, touch) for one, touch in places if attempt(one, self._advance, touch) is False]
        if behind:
            writes.flush()
        for one, touch in behind:
            attempt(one, self._fold_anew, _lacks(touch, head), writes.cursor)
        for one, touch in places:
            if self.cache.holds(one):
                attempt(one, self._add, touch, writes)

    def _bring_back(self, writes: Writes, places: Sequence[tuple[Projection, TouchedStream]]) -> None:
        wanted = named_elsewhere(self._code.ids, [(one, touch.events) for one, touch in places])
        if wanted:
            writes.flush()
            bring_back(writes.cursor, self._dialect, wanted)

    def _attempt(self, cursor: Any, head: int, one: Projection, act: Callable[..., Any], *arguments: Any) -> Any:
        """The result of `act`. An exception other than the driver's is a bug of ours: the stream is given up.

        `act` must not flush the writes of other streams: their errors would be attributed to this one.
        """
        try:
            return act(one, *arguments)
        except Exception as error:
            if is_from_driver(error):
                raise
            self._give_up(cursor, one, head, fault(error))

    def _hit(
        self, cursor: Any, new: Sequence[NewEvent], conflicts: Sequence[tuple[str, int]]
    ) -> list[tuple[str, str, int]]:
        """(source, stream, position) of the events that have conflicts. This batch's events are not in the log yet."""
        fresh = {(one.entry.source, one.position): one.stream for one in new}
        older = [where for where in set(conflicts) if where not in fresh]
        found = {(row[0], row[1]): row[2] for row in self._dialect.lookup(cursor, _STREAM_OF, older)} if older else {}
        hit = ((*where, (fresh | found).get(where)) for where in sorted(set(conflicts)))
        return [(source, stream, position) for source, position, stream in hit if stream is not None]

    def _touch_conflicts(
        self, cursor: Any, touched: dict[Row, TouchedStream], streams: list[tuple[str, str, int]]
    ) -> None:
        if not streams:
            return
        keys = list({(source, stream) for source, stream, _ in streams})
        kinds = {(row[0], row[1]): row[2:] for row in self._dialect.lookup(cursor, _KIND_OF, keys)}
        for source, stream, position in streams:
            kind, name = kinds.get((source, stream)) or _named(touched[source, stream])
            touched_stream(touched, (source, stream), kind, name, position).conflicts.append(position)
        for source, stream in keys:
            count_conflict(cursor, self._dialect, source, stream)

    def _leave_marks(self, cursor: Any, touched: dict[Row, TouchedStream], head: int) -> dict[Row, TouchedStream]:
        """Marks streams dirty for other versions, folds those dirty for ours, and returns the rest to fold as usual."""
        marks: list[tuple[str, str, str, int]] = []
        mine: dict[Row, TouchedStream] = {}
        stale: list[DirtyStream] = []
        for (source, stream), touch in touched.items():
            one = self.cache[source, stream]
            own = self.cache.own(one)
            position = touch.events[0].position if touch.events else head
            versions = own.to_mark
            marks += [(source, stream, version, position) for version in versions]
            if one.state is not None:
                mine[source, stream] = touch
            elif one.version:  # marked before this batch, or left by another release
                stale.append(DirtyStream(source, stream, one.kind, one.provider_id, one.opened, one.version))
                self.cache.forget_streams([(source, stream)])
        if marks:
            mark_dirty(cursor, self._dialect, marks)
        for dirty in stale:
            if is_long(cursor, self._dialect, dirty.source, dirty.opened, dirty.stream):
                lacks = _lacks(touched[dirty.source, dirty.stream], head)
                leave_beside(cursor, self._dialect, dirty.key, lacks, whole=True)
            else:
                self._refolder.catch_up(cursor, [dirty])
        return mine

    def _advance(self, one: Projection, touch: TouchedStream) -> bool:
        """Applies the new events to the stream's state; False if it must be refolded."""
        settings = self._code.sources[one.source].settings
        return one.state is not None and all(self._move_on(one, event, settings) for event in touch.events)

    @staticmethod
    def _move_on(one: Projection, event: Event, settings: fold.Settings) -> bool:
        moved = fold.advance(one.machine, one.state, event, settings)
        if moved and is_due(one.state):
            one.keep(Prefix(event.position, event.position, [], one.state))
        return moved

    def _add(self, one: Projection, touch: TouchedStream, writes: Writes) -> None:
        if touch.conflicts:
            one.conflicts = with_conflicts(one.conflicts, touch.conflicts)
        gone, made = self._rows_of(one)
        for key in gone:
            writes.cursor.execute(FORGET_MEASUREMENT.replace("?", self._dialect.mark), key)
        for into, some in made.items():
            writes.add(into, some)

    def _rows_of(self, one: Projection) -> tuple[list[Row], dict[Insert, list[Row]]]:
        """Keys of measurements to delete first, and the stream's new rows in each table; they count as written."""
        measured, known = measurement_rows(self._code.ids, one), one.measured
        rows = {
            PROJECTIONS: [projection_row(self._code.ids, one)],
            RUNS: run_rows(one),
            PREFIXES: one.prefixes,
            _MEASUREMENTS: changed_rows(known, measured),
        }
        written(one, measured)
        return outdated_rows(known, measured), rows

    def _fold_anew(self, one: Projection, lacks: int, cursor: Any) -> None:
        """Refolds the stream. A long one is marked for the background instead, and leaves the cache."""
        if is_long(cursor, self._dialect, one.source, one.opened, one.stream):
            leave_beside(cursor, self._dialect, (one.source, one.stream, one.version), lacks, whole=False)
            self.cache.forget_streams([(one.source, one.stream)])
        else:
            self._refold(one, cursor)

    def _refold(self, one: Projection, cursor: Any) -> None:
        source = self._code.sources[one.source]
        rows = stream_rows(cursor, self._dialect, one.source, one.stream, one.opened)
        events = [to_event(*row, read=source.read) for row in rows]
        base = one.base and one.base.state(one.machine)
        state = fold.fold(one.machine, events, source.settings, base)
        if one.state is None:  # the stored rows are unknown
            cursor.execute(_FORGET_MEASURED.replace("?", self._dialect.mark), (one.source, one.stream, one.version))
        elif one.machine.name == "measurement":
            one.measured = self._refolder.measured(cursor, (one.source, one.stream, one.version))
        one.state, one.prefixes = state, []
        self._refolder.forget_prefixes(cursor, [(one.source, one.stream, one.version)])

    def _give_up(self, cursor: Any, one: Projection, head: int, error: str) -> None:
        """Marks the stream until new code or its next event comes. Every process learns that its row is out of date."""
        _logger.error("fold_failed", source=one.source, stream=one.stream, version=one.version, error=error)
        mark_dirty(cursor, self._dialect, [(one.source, one.stream, one.version, head)], error)
        self.cache.forget_streams([(one.source, one.stream)])
        self.cache.note_pending(cursor)


def _lacks(touch: TouchedStream, head: int) -> int:
    """The position of the first new event; for a conflict, which has none, the log's last position."""
    return touch.events[0].position if touch.events else head


def _named(touch: TouchedStream) -> tuple[str, str]:
    return touch.kind, touch.provider_id
