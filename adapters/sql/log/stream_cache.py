"""The streams that a writer folded last, and what it knows of the versions: what an append need not ask for."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from adapters.sql.log.touched_streams import New, Touch
from adapters.sql.projections.dirty_streams import marked
from adapters.sql.projections.erased import bases
from adapters.sql.projections.projection import Code, Projection, measurement_rows
from adapters.sql.projections.versions import Share, Standing, raise_epoch, register, standing
from core import fold
from core.event import Instant

_REMEMBERED = 8_192
_MOST_FOREIGN = 10_000

STREAMS = Insert(tables.streams, " ON CONFLICT DO NOTHING")
_LOAD = Lookup(
    "t.source, t.stream, t.opened, t.conflicts, t.snapshot, e.position",
    tables.projections,
    ("source", "stream", "fingerprint"),
    " LEFT JOIN erased e ON e.source = t.source AND e.stream = t.stream",
)
_NAME_AGAIN = "UPDATE streams SET provider_id = ? WHERE source = ? AND stream = ? AND provider_id IS NULL"
_OPENED = Lookup("t.source, t.stream, t.opened", tables.streams, ("source", "stream"))
_CHANGED = "SELECT DISTINCT source, stream FROM events WHERE position > ?"


Reading = Callable[[Iterable[Row]], Any | None]
"""Gives a cursor that sees of these streams all that was appended; None where that is not there to be read yet."""


class Memory:
    """Of one writer, for the machines that its code declares. A stream is (source, our id of it)."""

    def __init__(self, dialect: Dialect, code: Code) -> None:
        self._dialect = dialect
        self._code = code
        self._streams: OrderedDict[Row, Projection] = OrderedDict()
        self.standing = Standing("", {}, plain=True)
        self.epoch = ""

    def __getitem__(self, stream: Row) -> Projection:
        return self._streams[stream]

    def holds(self, one: Projection) -> bool:
        """Whether a stream was not forgotten since it was taken from here."""
        return self._streams.get((one.source, one.stream)) is one

    def own(self, one: Projection) -> Share:
        """What this code has to do with a stream's machine."""
        return self.standing.machines[one.machine.name]

    def forget(self) -> None:
        """Forgets every stream, and what was known of the versions: it may not be what was committed."""
        self._streams.clear()
        self.epoch = ""

    def forget_streams(self, streams: Iterable[Row]) -> None:
        """Forgets some."""
        for stream in streams:
            self._streams.pop(stream, None)

    def forget_changed(self, cursor: Any, after: int) -> None:
        """Forgets the streams that other processes appended to behind the position `after`."""
        cursor.execute(_CHANGED.replace("?", self._dialect.mark), (after,))
        changed = cursor.fetchmany(_MOST_FOREIGN)
        if len(changed) == _MOST_FOREIGN:
            self._streams.clear()
        self.forget_streams(map(tuple, changed))

    def renew(self, cursor: Any, now: Instant) -> None:
        """Looks at the versions again, under the append lock: the epoch is another one than that of `self.epoch`."""
        self._streams.clear()
        versions = register(cursor, self._dialect, self._code.machines, now)
        self.standing = standing(cursor, self._dialect, self._code.machines, versions)
        self.epoch = self.standing.epoch

    def raise_epoch(self, cursor: Any) -> None:
        """Lets every other process look again."""
        self.epoch = raise_epoch(cursor, self._dialect)

    def not_plain(self, cursor: Any) -> None:
        """From now on there are marks, and every process has to know it."""
        self.standing = msgspec.structs.replace(self.standing, plain=False)
        self.raise_epoch(cursor)

    def load(self, cursor: Any, touched: Mapping[Row, Touch], new: Sequence[New]) -> None:
        """Remembers the streams that are touched, opens those that nobody has met; events learn what opened theirs."""
        self._make_room(touched)
        missing = [stream for stream in touched if stream not in self._streams]
        if missing:
            self._recall(cursor, missing, touched)
        self._tell_opened(new)

    def suppose(self, reading: Reading, touched: Mapping[Row, Touch], new: Sequence[New]) -> list[Row] | None:
        """The same beside the append; gives the rows that open streams. None where it takes the append's own turn.

        That is so where a stream cannot be read yet, and where an erased one is named again, which is written.
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

    def _tell_opened(self, new: Sequence[New]) -> None:
        for one in new:
            if one.stream is not None:
                one.opened = self._streams[one.entry.source, one.stream].opened

    def _make_room(self, touched: Iterable[Row]) -> None:
        """The streams go that were touched longest ago."""
        for stream in touched:
            if stream in self._streams:
                self._streams.move_to_end(stream)
        while len(self._streams) > _REMEMBERED:
            self._streams.popitem(last=False)

    def _remember(self, stream: Row, touch: Touch) -> Projection:
        source, name = stream
        machine = self._code.machine_of(source, touch.kind)
        one = Projection(source, name, touch.kind, touch.provider_id, machine, "")
        own = self.own(one)
        one.version = own.version if own.built else ""
        self._streams[stream] = one
        return one

    def _recall(self, cursor: Any, missing: Sequence[Row], touched: Mapping[Row, Touch]) -> None:
        fresh = [self._remember(stream, touched[stream]) for stream in missing]
        if stored := [one for one in fresh if one.version]:
            self._take_up_erased(cursor, self._decode(cursor, stored))
        unknown = [one for one in fresh if not one.opened]
        if unknown and not self.standing.plain:
            self._find(cursor, unknown)
            unknown = [one for one in unknown if not one.opened]
        if unknown:
            self._open(cursor, unknown, touched)

    def _decode(self, cursor: Any, fresh: Sequence[Projection]) -> list[Projection]:
        """Takes up the folds that are stored, except of erased streams: gives those.

        One that is marked is not up to date, and stays without a state.
        """
        keys = [(one.source, one.stream, one.version) for one in fresh]
        stale = set() if self.standing.plain else marked(cursor, self._dialect, keys)
        erased = []
        for source, stream, opened, conflicts, snapshot, was_erased in self._dialect.lookup(cursor, _LOAD, keys):
            one = self._streams[source, stream]
            one.opened, one.conflicts = opened, conflicts
            if was_erased:
                erased.append(one)
            elif (source, stream, one.version) not in stale:
                self._take_up(one, snapshot)
        return erased

    def _take_up(self, one: Projection, snapshot: bytes) -> None:
        try:
            one.state = fold.decode(one.machine, snapshot)
            one.measured = measurement_rows(self._code.ids, one)
        except Exception:  # noqa: BLE001 - it is folded anew, and what is wrong with our code is told there
            one.state = None

    def _take_up_erased(self, cursor: Any, erased: Sequence[Projection]) -> None:
        """Who sends again under an erased name is named again; what comes is folded onto what is left."""
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

    def _open(self, cursor: Any, unknown: Sequence[Projection], touched: Mapping[Row, Touch]) -> None:
        for one in unknown:
            _begin(one, touched[one.source, one.stream])
        self._dialect.insert(cursor, STREAMS, [_row(one) for one in unknown])


def _begin(one: Projection, touch: Touch) -> None:
    one.opened = touch.opened
    if one.version:
        one.state = one.machine.State()


def _row(one: Projection) -> Row:
    return one.source, one.stream, one.kind, one.provider_id, one.opened
