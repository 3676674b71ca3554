"""An LRU cache of folded streams and of the version map, so that an append need not read them."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from adapters.sql.log.touched_streams import NewEvent, TouchedStream
from adapters.sql.projections.erased import bases
from adapters.sql.projections.projection import Code, Projection, measurement_rows
from adapters.sql.projections.versions import MachineVersions, VersionMap, raise_epoch, register, version_map
from core.event import Instant
from core.folding import fold

_REMEMBERED = 8_192
_MOST_FOREIGN = 10_000

STREAMS = Insert(tables.streams, " ON CONFLICT DO NOTHING")
_LOAD = Lookup(
    "t.source, t.stream, t.opened, t.conflicts, t.snapshot, e.position, u.token",
    tables.projections,
    ("source", "stream", "fingerprint"),
    " LEFT JOIN erased e ON e.source = t.source AND e.stream = t.stream"
    " LEFT JOIN unfolded u ON u.source = t.source AND u.stream = t.stream AND u.version = t.fingerprint",
)
_NAME_AGAIN = "UPDATE streams SET provider_id = ? WHERE source = ? AND stream = ? AND provider_id IS NULL"
_OPENED = Lookup("t.source, t.stream, t.opened", tables.streams, ("source", "stream"))
_CHANGED = "SELECT DISTINCT source, stream FROM events WHERE position > ?"


CursorFor = Callable[[Iterable[Row]], Any | None]
"""A cursor that sees everything appended to these streams, or None if that is not committed yet."""


class StreamCache:
    """One writer's cache, for the machines that its code declares. Keys are (source, our stream id)."""

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self._dialect = dialect
        self._code = code
        self._streams: OrderedDict[Row, Projection] = OrderedDict()
        self.version_map = VersionMap("", {}, nothing_pending=True)
        self.epoch = ""

    def __getitem__(self, stream: Row) -> Projection:
        return self._streams[stream]

    def holds(self, one: Projection) -> bool:
        """Whether a projection taken from this cache is still in it."""
        return self._streams.get((one.source, one.stream)) is one

    def own(self, one: Projection) -> MachineVersions:
        """The versions of a stream's machine."""
        return self.version_map.machines[one.machine.name]

    def forget(self) -> None:
        """Evicts everything: after a failed transaction the cache may hold what was never committed."""
        self._streams.clear()
        self.epoch = ""

    def forget_streams(self, streams: Iterable[Row]) -> None:
        """Evicts some streams."""
        for stream in streams:
            self._streams.pop(stream, None)

    def forget_changed(self, cursor: Any, after: int) -> None:
        """Evicts the streams to which other processes appended after the position `after`."""
        cursor.execute(_CHANGED.replace("?", self._dialect.mark), (after,))
        changed = cursor.fetchmany(_MOST_FOREIGN)
        if len(changed) == _MOST_FOREIGN:
            self._streams.clear()
        self.forget_streams(map(tuple, changed))

    def renew(self, cursor: Any, now: Instant) -> None:
        """Reads the version map again, under the append lock, because the epoch has changed."""
        self._streams.clear()
        versions = register(cursor, self._dialect, self._code.machines, now)
        self.version_map = version_map(cursor, self._dialect, self._code.machines, versions)
        self.epoch = self.version_map.epoch

    def raise_epoch(self, cursor: Any) -> None:
        """Makes every other process read the version map again."""
        self.epoch = raise_epoch(cursor, self._dialect)

    def note_pending(self, cursor: Any) -> None:
        """Records that dirty streams exist, and makes every process read the version map again."""
        self.version_map = msgspec.structs.replace(self.version_map, nothing_pending=False)
        self.raise_epoch(cursor)

    def load(self, cursor: Any, touched: Mapping[Row, TouchedStream], new: Sequence[NewEvent]) -> None:
        """Loads the touched streams into the cache, opens those that do not exist, and sets each event's `opened`."""
        self._make_room(touched)
        missing = [stream for stream in touched if stream not in self._streams]
        if missing:
            self._recall(cursor, missing, touched)
        self._tell_opened(new)

    def load_optimistically(
        self, reading: CursorFor, touched: Mapping[Row, TouchedStream], new: Sequence[NewEvent]
    ) -> list[Row] | None:
        """Like `load`, without the append lock; returns the rows that open streams.

        None if it needs the lock: a stream cannot be read yet, or an erased stream gets its name back.
        """
        self._make_room(touched)
        missing = [stream for stream in touched if stream not in self._streams]
        cursor = reading(missing) if missing else None
        if missing and cursor is None:
            return None
        fresh = [self._remember(stream, touched[stream]) for stream in missing]
        if fresh and self._decode(cursor, fresh):
            return None
        begun = [one for one in fresh if not one.opened]
        for one in begun:
            _begin(one, touched[one.source, one.stream])
        self._tell_opened(new)
        return [_row(one) for one in begun]

    def _tell_opened(self, new: Sequence[NewEvent]) -> None:
        for one in new:
            if one.stream is not None:
                one.opened = self._streams[one.entry.source, one.stream].opened

    def _make_room(self, touched: Iterable[Row]) -> None:
        """Evicts the least recently used streams."""
        for stream in touched:
            if stream in self._streams:
                self._streams.move_to_end(stream)
        while len(self._streams) > _REMEMBERED:
            self._streams.popitem(last=False)

    def _remember(self, stream: Row, touch: TouchedStream) -> Projection:
        source, name = stream
        machine = self._code.machine_of(source, touch.kind)
        one = Projection(source, name, touch.kind, touch.provider_id, machine, "")
        own = self.own(one)
        one.version = own.version if own.built else ""
        self._streams[stream] = one
        return one

    def _recall(self, cursor: Any, missing: Sequence[Row], touched: Mapping[Row, TouchedStream]) -> None:
        fresh = [self._remember(stream, touched[stream]) for stream in missing]
        if stored := [one for one in fresh if one.version]:
            self._take_up_erased(cursor, self._decode(cursor, stored))
        unknown = [one for one in fresh if not one.opened]
        if unknown and not self.version_map.nothing_pending:
            self._find(cursor, unknown)
            unknown = [one for one in unknown if not one.opened]
        if unknown:
            self._open(cursor, unknown, touched)

    def _decode(self, cursor: Any, fresh: Sequence[Projection]) -> list[Projection]:
        """Loads stored states and returns the erased streams, which are left out.

        A dirty stream's row is out of date: it gets no state.
        """
        keys = [(one.source, one.stream, one.version) for one in fresh]
        erased = []
        for source, stream, opened, conflicts, snapshot, was_erased, mark in self._dialect.lookup(cursor, _LOAD, keys):
            one = self._streams[source, stream]
            one.opened, one.conflicts = opened, conflicts
            if was_erased:
                erased.append(one)
            elif mark is None:
                self._take_up(one, snapshot)
        return erased

    def _take_up(self, one: Projection, snapshot: bytes) -> None:
        try:
            one.state = fold.decode(one.machine, snapshot)
            one.measured = measurement_rows(self._code.ids, one)
        except Exception:  # noqa: BLE001 - it is folded anew, and what is wrong with our code is told there
            one.state = None

    def _take_up_erased(self, cursor: Any, erased: Sequence[Projection]) -> None:
        """Gives erased streams their names back: new events are folded onto what is left of them."""
        if not erased:
            return
        left = bases(cursor, self._dialect, [(one.source, one.stream) for one in erased])
        for one in erased:
            one.base = left[one.source, one.stream]
            cursor.execute(_NAME_AGAIN.replace("?", self._dialect.mark), (one.provider_id, one.source, one.stream))

    def _find(self, cursor: Any, unknown: Sequence[Projection]) -> None:
        """Streams that another version's code opened."""
        keys = [(one.source, one.stream) for one in unknown]
        for source, stream, opened in self._dialect.lookup(cursor, _OPENED, keys):
            self._streams[source, stream].opened = opened

    def _open(self, cursor: Any, unknown: Sequence[Projection], touched: Mapping[Row, TouchedStream]) -> None:
        for one in unknown:
            _begin(one, touched[one.source, one.stream])
        self._dialect.insert(cursor, STREAMS, [_row(one) for one in unknown])


def _begin(one: Projection, touch: TouchedStream) -> None:
    one.opened = touch.opened
    if one.version:
        one.state = one.machine.State()


def _row(one: Projection) -> Row:
    return one.source, one.stream, one.kind, one.provider_id, one.opened
