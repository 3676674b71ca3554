"""Refolds streams from the log, for a version being built or for streams that another release's appends marked."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import msgspec
import structlog

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from adapters.sql.projections.dirty_streams import DirtyStream, clear, mark_dirty
from adapters.sql.projections.erased import Base, bases
from adapters.sql.projections.projection import (
    Code,
    Projection,
    changed_rows,
    measurement_rows,
    outdated_rows,
    projection_row,
    run_rows,
    with_conflicts,
)
from adapters.sql.projections.stored_events import FOLDABLE, THERE, to_event
from core.event import Event
from core.folding import fold, prefixes
from core.folding.long_fold import fold_loaded

_logger = structlog.get_logger()

PROJECTIONS = Insert.upsert(tables.projections, keep=("kind", "machine", "opened"))
MEASUREMENTS = Insert.upsert(tables.measurements, keep=("stream",))
RUNS = Insert.upsert(tables.runs)
PREFIXES = Insert.upsert(tables.prefixes)
FORGET_PREFIXES = "DELETE FROM prefixes WHERE source = ? AND stream = ? AND fingerprint = ?"
FORGET_PREFIX = f"{FORGET_PREFIXES} AND position = ?"
FORGET_MEASUREMENT = "DELETE FROM measurements WHERE source = ? AND measurement = ? AND fingerprint = ?"


def _history(foldable: str) -> Lookup:
    return Lookup(
        "t.source, t.stream, t.position, t.key, t.type, t.received_at, t.verified_by, p.body",
        tables.events,
        ("source", "opened", "stream"),
        f" JOIN payloads p ON p.source = t.source AND p.position = t.position WHERE {foldable}",
        index="ix_events_source_opened_position",
    )


_HISTORY, _HISTORY_WITHOUT_RETRACTIONS = _history(FOLDABLE), _history(THERE)
_ANY_RETRACTION = "SELECT 1 FROM retractions WHERE source = ? LIMIT 1"
_PLACES = Lookup(
    "t.source, t.position, t.stream",
    tables.events,
    ("source", "opened", "stream"),
    index="ix_events_source_opened_position",
)
_CONFLICTS = Lookup(
    "t.source, t.position",
    tables.deliveries,
    ("source", "position"),
    " WHERE t.verdict = 'conflict'",
    index="ix_deliveries_source_position",
)
_COUNTED_CONFLICTS = Lookup("t.source, t.position", tables.conflicts, ("source", "position"))
_ANY_CONFLICT = "SELECT 1 FROM deliveries{} WHERE source = ? AND verdict = 'conflict' LIMIT 1"
_ANY_COUNTED = "SELECT 1 FROM conflicts WHERE source = ? LIMIT 1"
_MEASURED = Lookup(
    "t.source, t.measurement, t.fingerprint",
    tables.measurements,
    ("source", "stream", "fingerprint"),
    " WHERE t.opened > 0",
)
_MEASURED_ROWS = Lookup(
    ", ".join(f"t.{name}" for name in MEASUREMENTS.names),
    tables.measurements,
    ("source", "stream", "fingerprint"),
    " WHERE t.opened > 0",
)


class History(msgspec.Struct, gc=False, array_like=True):
    """A stream in the log: its stored events by position, and the positions of events with conflicts.

    `base` is the remainder of the erased events.
    """

    stream: DirtyStream
    events: list[Row]
    conflicts: list[int]
    base: Base | None = None


class FoldedStream(msgspec.Struct, gc=False, array_like=True, tag=True):
    """A folded stream: its row of `projections`, its rows of `measurements` by primary key, its rows of `runs`, ..."""

    stream: DirtyStream
    row: Row
    measured: dict[Row, Row]
    runs: list[Row]
    prefixes: list[Row] = []

    @property
    def key(self) -> Row:
        """The primary key of the stream's row."""
        return self.stream.key


class FailedStream(msgspec.Struct, gc=False, array_like=True, tag=True):
    """A stream that this code cannot fold, which is a bug. `error` names the exception's kind and place, nothing
    personal.
    """

    stream: DirtyStream
    position: int
    error: str

    @property
    def key(self) -> Row:
        """The primary key that the stream's row would have."""
        return self.stream.key


class Refolder:
    """Folds whole streams. `read` and `write` use the database; `fold` is pure."""

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self._dialect = dialect
        self._code = code

    def catch_up(self, cursor: Any, streams: Sequence[DirtyStream]) -> None:
        """Folds the streams and clears their marks in the caller's transaction, which must hold the append lock."""
        self.write(cursor, [self.fold(history) for history in self.read(cursor, streams)])

    def read(self, cursor: Any, streams: Sequence[DirtyStream]) -> list[History]:
        """The streams' histories."""
        keys = list({(one.source, one.opened, one.stream) for one in streams})
        if not keys:
            return []
        events = self._stored(cursor, keys)
        conflicts = self._conflicts(cursor, keys)
        places = [(one, (one.source, one.stream)) for one in streams]
        left = bases(cursor, self._dialect, [place for _, place in places])
        return [History(one, events.get(place, []), conflicts.get(place, []), left.get(place)) for one, place in places]

    def _stored(self, cursor: Any, keys: Sequence[Row]) -> dict[Row, list[Row]]:
        """The foldable events of each (source, stream), by position, as `to_event` takes them."""
        retracted = any(self._has_retractions(cursor, source) for source in {source for source, _, _ in keys})
        stored: dict[Row, list[Row]] = defaultdict(list)
        for row in self._dialect.lookup(cursor, _HISTORY if retracted else _HISTORY_WITHOUT_RETRACTIONS, keys):
            stored[row[:2]].append(row[2:])
        return {place: _by_position(rows) for place, rows in stored.items()}

    def _has_retractions(self, cursor: Any, source: str) -> bool:
        return self._has_any(cursor, _ANY_RETRACTION, source)

    def _conflicts(self, cursor: Any, keys: Sequence[Row]) -> dict[Row, list[int]]:
        """The positions of events with conflicts, by (source, stream)."""
        sources = {source for source in {source for source, _, _ in keys} if self._has_conflicts(cursor, source)}
        found: dict[Row, list[int]] = defaultdict(list)
        some = [key for key in keys if key[0] in sources]
        if not some:
            return found
        places = {(source, at): stream for source, at, stream in self._dialect.lookup(cursor, _PLACES, some)}
        for lookup in (_CONFLICTS, _COUNTED_CONFLICTS) if places else ():
            for source, position in self._dialect.lookup(cursor, lookup, list(places)):
                found[source, places[source, position]].append(position)
        return found

    def _has_conflicts(self, cursor: Any, source: str) -> bool:
        on_record = _ANY_CONFLICT.format(self._dialect.using("ix_deliveries_source_verdict_delivery"))
        return any(self._has_any(cursor, sql, source) for sql in (on_record, _ANY_COUNTED))

    def _has_any(self, cursor: Any, sql: str, source: str) -> bool:
        return self._dialect.run(cursor, sql, source).fetchone() is not None

    def fold(self, history: History) -> FoldedStream | FailedStream:
        """The stream's rows. A failure of the fold or of a reading is logged and returned, since it must not stop other
        streams.
        """
        one = history.stream
        try:
            projection = self.projection(history)
            measured = measurement_rows(self._code.ids, projection)
            row, runs = projection_row(self._code.ids, projection), run_rows(projection)
            return FoldedStream(one, row, measured, runs, projection.prefixes)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with this stream, the others go on
            told = fault(error)
        _logger.error("fold_failed", source=one.source, stream=one.stream, version=one.version, error=told)
        return FailedStream(one, history.events[-1][0] if history.events else one.opened, told)

    def projection(self, history: History) -> Projection:
        """The stream's fold. Raises whatever the fold or the reading raises."""
        projection, onto = self._begun(history)
        settings, machine = self._code.sources[history.stream.source].settings, projection.machine
        events = self.events(history)
        if len(events) > prefixes.LONG:
            by_position = {event.position: event for event in events}
            load = partial(map, by_position.__getitem__)
            projection.state = fold_loaded(machine, events, load, settings, onto, projection.keep)
        else:
            projection.state = fold.fold(machine, events, settings, onto)
        return projection

    def begun(self, cursor: Any, one: DirtyStream) -> tuple[Projection, Any]:
        """A projection without a state, and the state to fold onto; None unless the stream was erased."""
        conflicts = self._conflicts(cursor, [(one.source, one.opened, one.stream)])
        left = bases(cursor, self._dialect, [(one.source, one.stream)])
        where: Row = (one.source, one.stream)
        return self._begun(History(one, [], conflicts.get(where, []), left.get(where)))

    def _begun(self, history: History) -> tuple[Projection, Any]:
        one = history.stream
        machine = self._code.machine_of(one.source, one.kind)
        projection = Projection(one.source, one.stream, one.kind, one.provider_id, machine, one.version)
        projection.opened = one.opened
        projection.conflicts = with_conflicts("", history.conflicts)
        projection.base = history.base
        return projection, history.base and history.base.state(machine)

    def events(self, history: History) -> list[Event]:
        """The stream's events, read from their raw bodies."""
        read = self._code.sources[history.stream.source].read
        return [
            to_event(position, key, kind, received_at, verified_by, body, read=read)  # faster than `*stored`
            for position, key, kind, received_at, verified_by, body in history.events
        ]

    def measured(self, cursor: Any, stream: Row) -> dict[Row, Row]:
        """The stored rows of a (source, stream, version)'s measurements, by primary key."""
        rows = self._dialect.lookup(cursor, _MEASURED_ROWS, [stream])
        return {tuple(row[:3]): tuple(row) for row in rows}

    def replace(self, cursor: Any, one: Projection) -> None:
        """Writes a projection over its row, and the rows of measurements that differ."""
        now = measurement_rows(self._code.ids, one)
        for key in outdated_rows(one.measured, now):
            self._dialect.run(cursor, FORGET_MEASUREMENT, *key)
        self._dialect.insert(cursor, PROJECTIONS, [projection_row(self._code.ids, one)])
        if changed := changed_rows(one.measured, now):
            self._dialect.insert(cursor, MEASUREMENTS, changed)
        if runs := run_rows(one):
            self._dialect.insert(cursor, RUNS, runs)

    def forget_prefixes(self, cursor: Any, streams: Sequence[Row]) -> None:
        """Deletes the prefixes of refolded streams (source, stream, version), since the order may have changed."""
        cursor.executemany(FORGET_PREFIXES.replace("?", self._dialect.mark), streams)

    def write(self, cursor: Any, folded: Sequence[FoldedStream | FailedStream], *, first: bool = False) -> None:
        """Writes the rows and clears the marks that the streams had when they were read.

        `first`: the version has no rows of these streams yet. Their marks stay.
        """
        good = [one for one in folded if isinstance(one, FoldedStream)]
        if good:
            self._write(cursor, good, first=first)
        for failed in folded:
            if isinstance(failed, FailedStream):
                one = failed.stream
                mark_dirty(
                    cursor, self._dialect, [(one.source, one.stream, one.version, failed.position)], failed.error
                )

    def _write(self, cursor: Any, folded: Sequence[FoldedStream], *, first: bool) -> None:
        self._dialect.insert(cursor, PROJECTIONS, [one.row for one in folded])
        measured: dict[Row, Row] = {}
        for one in folded:
            measured |= one.measured
        if not first:
            self._forget_measurements(cursor, [one.stream for one in folded], measured)
            clear(cursor, self._dialect, [one.stream for one in folded])
        self.forget_prefixes(cursor, [one.key for one in folded])
        if measured:
            self._dialect.insert(cursor, MEASUREMENTS, list(measured.values()))
        if runs := [row for one in folded for row in one.runs]:
            self._dialect.insert(cursor, RUNS, runs)
        if beginnings := [row for one in folded for row in one.prefixes]:
            self._dialect.insert(cursor, PREFIXES, beginnings)

    def _forget_measurements(self, cursor: Any, streams: Sequence[DirtyStream], measured: dict[Row, Row]) -> None:
        """Deletes the rows of measurements that no longer exist."""
        keys = [(one.source, one.stream, one.version) for one in streams if one.kind == "session"]
        known = list(self._dialect.lookup(cursor, _MEASURED, keys)) if keys else []
        for row in known:
            if tuple(row) not in measured:
                self._dialect.run(cursor, FORGET_MEASUREMENT, *row)


def _by_position(rows: Iterable[Row]) -> list[Row]:
    """The rows by position, without the repeats that a lookup may return."""
    return list({row[0]: row for row in sorted(rows, key=itemgetter(0))}.values())


def fault(error: BaseException) -> str:
    """An exception's kind and place, without its message, which may contain personal data."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(error).__name__
    code = trace.tb_frame.f_code
    return f"{type(error).__name__} in {code.co_qualname}, line {trace.tb_lineno}"
