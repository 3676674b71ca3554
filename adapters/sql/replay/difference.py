"""Shows what a replay would change: folds the log with this code and compares the result with the serving versions.

Writes nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Lookup, Row
from adapters.sql.projections.dirty_streams import DirtyStream, dirty_among
from adapters.sql.projections.projection import Code, record_in
from adapters.sql.projections.refold import MEASUREMENTS, PROJECTIONS, FailedStream, FoldedStream, Refolder
from adapters.sql.projections.versions import Version, all_versions, serving
from adapters.sql.replay.configured_cause import FieldChange, configured_cause, is_configured, recorded_changes
from adapters.sql.replay.parallel_fold import FoldedChunk, fold_chunks
from adapters.sql.replay.stream_cursor import StreamCursor
from core.event import ANOMALIES
from core.folding import fold
from core.views.declared import Cause, cause

EXAMPLES = 5
"""The most examples of each kind of change, with the event that causes it."""

LISTED = 1_000
"""The most ids that are listed for each kind of change. All are counted."""

_OF_STREAM = ("source", "stream", "fingerprint")
_STREAMS = Lookup(", ".join(f"t.{name}" for name in PROJECTIONS.names), tables.projections, _OF_STREAM)
_MEASUREMENTS = Lookup(
    ", ".join(f"t.{name}" for name in MEASUREMENTS.names), tables.measurements, _OF_STREAM, " WHERE t.opened > 0"
)
_STREAMLESS = (
    "SELECT p.source, p.stream FROM projections p WHERE p.fingerprint = ? AND NOT EXISTS "
    "(SELECT 1 FROM streams s WHERE s.source = p.source AND s.stream = p.stream)"
)
_STREAMLESS_OF = f"{_STREAMLESS} AND p.source = ?"
_POSITION = PROJECTIONS.names.index("position")
_STREAM = MEASUREMENTS.names.index("stream")
_COMPARED = ("state", "outcome", "user_id", "first_at", "last_at", "anomalies")
_COMPARED_MEASUREMENTS = ("state", "outcome", "measurement_id", "anomalies")
_DEEPER = ("runs", "data", "anomalies", "counts")
_DEEPER_MEASUREMENTS = ("run", "complete", "steps", "snr", "chunks", "counts")


class Example(msgspec.Struct, kw_only=True):
    """Something that would change, by our id. `stream` is its own or its session's; `cause` is the event that causes
    it.
    """

    id: str
    source: str
    stream: str
    cause: Cause | None


class Change(msgspec.Struct, kw_only=True):
    """A group of equal changes: `count` resources of `kind` whose field `what` changes from `was` to `now`.

    `what` is `row` where a whole row appears or disappears. `ids` has at most `LISTED` of the resources.
    """

    kind: str
    what: str
    was: str | None
    now: str | None
    count: int = 0
    ids: list[str] = []
    examples: list[Example] = []


class Difference(msgspec.Struct, kw_only=True):
    """What a replay with this code would change. `compared` counts streams.

    `behind` counts streams that the serving version has not folded completely; they are left out. `failed` are those
    that this code cannot fold.
    """

    position: int
    compared: int = 0
    behind: int = 0
    failed: list[str] = []
    changes: list[Change] = []


class Differ:
    """Compares the versions for one process."""

    def __init__(self, engine: Engine, code: Code, helpers: int = 0) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._helpers = helpers
        self._changes: dict[str, Cause] | None = None

    def compare(self, names: Sequence[str] = (), source: str | None = None) -> Iterator[Difference]:
        """Yields the difference so far after every chunk of streams; the last is complete. Without names: all machines.

        With `source`, only its streams are compared.
        """
        sources = {name: one for name, one in self._code.sources.items() if source in (None, name)}
        cursor_of = StreamCursor(self._transactions, sources)
        found = Difference(position=cursor_of.head())
        with self._transactions.reading() as cursor:
            versions = all_versions(cursor)
        for name in names or list(self._code.machines):
            before = serving(versions, name)
            if before is not None:
                streams = cursor_of.chunks(name, before.version, 0, found.position)
                with closing(fold_chunks(self._transactions, self._refolder, streams, self._helpers)) as chunks:
                    for chunk in chunks:
                        self._compare_chunk(before, chunk, found)
                        yield found
                self._find_streamless(before, source, found)
        yield found

    def _find_streamless(self, before: Version, source: str | None, found: Difference) -> None:
        """Finds rows without a stream, which should not exist and which a replay would not create."""
        sql, of = (_STREAMLESS, ()) if source is None else (_STREAMLESS_OF, (source,))
        for whose, stream in self._transactions.rows(sql, before.version, *of):
            group = _group(found, before.machine, "row", "there", None)
            _count(group, stream)
            if group.count <= EXAMPLES:
                group.examples.append(Example(id=stream, source=whose, stream=stream, cause=None))

    def _compare_chunk(self, before: Version, chunk: FoldedChunk, found: Difference) -> None:
        keys = [(one.source, one.stream, one.version) for one in chunk.streams]
        with self._transactions.reading() as cursor:
            behind = dirty_among(cursor, self._dialect, keys)
            stored = {tuple(row[:3]): row for row in self._dialect.lookup(cursor, _STREAMS, keys)}
            measured: dict[Row, dict[str, Row]] = defaultdict(dict)
            for found_row in self._dialect.lookup(cursor, _MEASUREMENTS, keys):
                measured[found_row[0], found_row[_STREAM]][found_row[1]] = found_row
        for one in chunk.folded:
            where: Row = (one.stream.source, one.stream.stream)
            row: Row | None = stored.get(one.key)
            if isinstance(one, FailedStream):
                found.failed.append(one.stream.stream)
            elif one.key in behind or (row is not None and row[_POSITION] != one.row[_POSITION]):
                found.behind += 1
            else:
                found.compared += 1
                self._compare(before, one, row, measured[where], found)

    def _compare(
        self, before: Version, one: FoldedStream, stored: Row | None, measured: Mapping[str, Row], found: Difference
    ) -> None:
        kind, stream = self._code.machines[before.machine], one.stream
        changed = [(stream.stream, stream.kind, change) for change in _stream_changes(kind, stored, one.row)]
        now = {key[1]: row for key, row in one.measured.items()}
        changed += [(name, "measurement", change) for name, change in _measurement_changes(measured, now)]
        for name, of, change in changed:
            group = _group(found, of, *change)
            _count(group, name)
            if group.count <= EXAMPLES:
                group.examples.append(self._example(before, kind, stream, name, change))

    def _example(
        self, before: Version, kind: fold.StateMachine, stream: DirtyStream, name: str, change: FieldChange
    ) -> Example:
        with self._transactions.reading() as cursor:
            (history,) = self._refolder.read(cursor, [stream])
        events = self._refolder.events(history)
        steps = fold.trace(kind, events, self._code.sources[stream.source].settings)
        declaration = msgspec.json.decode(before.declaration)
        types = {event.position: event.type for event in events}
        found = cause(kind, steps, types, declaration)
        if found is None and is_configured(change, steps):
            found = configured_cause(self._recorded_changes().get(stream.source), steps, types)
        return Example(id=name, source=stream.source, stream=stream.stream, cause=found)

    def _recorded_changes(self) -> dict[str, Cause]:
        """Read once, when a difference first wants it: few have one."""
        if self._changes is None:
            with self._transactions.reading() as cursor:
                self._changes = recorded_changes(cursor, self._dialect)
        return self._changes


def _group(found: Difference, kind: str, what: str, was: str | None, now: str | None) -> Change:
    for change in found.changes:
        if (change.kind, change.what, change.was, change.now) == (kind, what, was, now):
            return change
    found.changes.append(Change(kind=kind, what=what, was=was, now=now))
    return found.changes[-1]


def _count(group: Change, name: str) -> None:
    group.count += 1
    if group.count <= LISTED:
        group.ids.append(name)


def _stream_changes(kind: fold.StateMachine, was: Row | None, now: Row) -> Iterator[FieldChange]:
    if was is None:
        yield "row", None, "there"
        return
    old, new = (dict(zip(PROJECTIONS.names, row, strict=True)) for row in (was, now))
    changed = [name for name in _COMPARED if old[name] != new[name]]
    yield from ((name, _words(name, old[name]), _words(name, new[name])) for name in changed)
    if not changed and bytes(old["snapshot"]) != new["snapshot"]:
        yield from _deeper(kind, bytes(old["snapshot"]), new["snapshot"])


def _deeper(kind: fold.StateMachine, was: bytes, now: bytes) -> Iterator[FieldChange]:
    """Differences inside two snapshots of one form, which the columns do not show."""
    try:
        old, new = fold.decode(kind, was), fold.decode(kind, now)
    except msgspec.DecodeError:
        return
    for name in _DEEPER:
        if getattr(old, name) != getattr(new, name):
            yield name, "otherwise", None


def _measurement_changes(was: Mapping[str, Row], now: Mapping[str, Row]) -> Iterator[tuple[str, FieldChange]]:
    for name in sorted({*was, *now}):
        if name not in was or name not in now:
            yield name, ("row", None, "there") if name in now else ("row", "there", None)
            continue
        old, new = (dict(zip(MEASUREMENTS.names, rows[name], strict=True)) for rows in (was, now))
        changed = [field for field in _COMPARED_MEASUREMENTS if old[field] != new[field]]
        yield from ((name, (field, _words(field, old[field]), _words(field, new[field]))) for field in changed)
        if not changed and None not in {old["record"], new["record"]}:
            yield from ((name, change) for change in _record_changes(bytes(old["record"]), new["record"]))


def _record_changes(was: bytes, now: bytes) -> Iterator[FieldChange]:
    """Differences inside two stored records of a measurement that has left its session's snapshot."""
    try:
        old, new = record_in(was), record_in(now)
    except msgspec.DecodeError:
        return
    yield from (
        (field, "otherwise", None) for field in _DEEPER_MEASUREMENTS if getattr(old, field) != getattr(new, field)
    )


def _words(name: str, value: Any) -> str | None:
    """A value as text: anomalies by their kinds. Omits values that may be personal or differ for each stream."""
    if name == "anomalies":
        return ", ".join(kind for place, kind in enumerate(ANOMALIES) if value & 1 << place) or "none"
    if name in {"state", "outcome"}:
        return None if value is None else str(value)
    return None
