"""Folds what an append brought into the projections, in the append's own transaction."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
import structlog

from adapters.sql import tables
from adapters.sql.dialects import Dialect, Insert, Lookup, Row, Writes
from adapters.sql.erased import bases
from adapters.sql.errors import is_from_driver
from adapters.sql.marks import Waiting, mark, marked
from adapters.sql.projection import Projection, Source, measurement_rows, projection_row, with_conflicts
from adapters.sql.refold import FORGET_MEASUREMENT, PROJECTIONS, Refolder, fault
from adapters.sql.stored import stream_rows, to_event
from adapters.sql.touch import New, Touch, event_of
from adapters.sql.versions import Own, Standing, raise_epoch, register, standing
from core import fold
from core.event import Instant, Unreadable
from core.ids import Ids

_logger = structlog.get_logger()

_REMEMBERED = 4_096
_MOST_FOREIGN = 10_000

_STREAMS = Insert(tables.streams, " ON CONFLICT DO NOTHING")
_MEASUREMENTS = Insert.upsert(tables.measurements, keep=("stream", "measurement_id", "opened"))
HOT = (PROJECTIONS, _MEASUREMENTS)
"""What nearly every batch inserts."""

_KEPT = slice(_MEASUREMENTS.names.index("stream"), _MEASUREMENTS.names.index("measurement_id") + 1)
"""Of a row of measurements, what an upsert keeps."""

_LOAD = Lookup(
    "t.source, t.stream, t.opened, t.conflicts, t.snapshot, e.position",
    tables.projections,
    ("source", "stream", "fingerprint"),
    " LEFT JOIN erased e ON e.source = t.source AND e.stream = t.stream",
)
_FORGET_MEASURED = "DELETE FROM measurements WHERE source = ? AND stream = ? AND fingerprint = ?"
_NAME_AGAIN = "UPDATE streams SET provider_id = ? WHERE source = ? AND stream = ? AND provider_id IS NULL"
_STREAM_OF = Lookup("t.source, t.position, t.stream", tables.events, ("source", "position"), unique=True)
_KIND_OF = Lookup("t.source, t.stream, t.kind, t.provider_id", tables.streams, ("source", "stream"))
_OPENED = Lookup("t.source, t.stream, t.opened", tables.streams, ("source", "stream"))
_CHANGED = "SELECT DISTINCT source, stream FROM events WHERE position > ?"


class Projector:
    """Keeps the projections of the machines that this code declares. Remembers the streams that it folded last."""

    def __init__(
        self,
        dialect: Dialect,
        ids: Ids,
        sources: Mapping[str, Source],
        machines: Mapping[str, fold.Kind] = fold.MACHINES,
    ) -> None:
        self._dialect = dialect
        self._ids = ids
        self._sources = sources
        self._machines = machines
        self._refolder = Refolder(dialect, ids, sources, machines)
        self._standing = Standing("", {}, plain=True)
        self._remembered: dict[Row, Projection] = {}
        self.epoch = ""

    def forget(self) -> None:
        """Forgets every stream, and what was known of the versions: it may not be what was committed."""
        self._remembered.clear()
        self.epoch = ""

    def forget_changed(self, cursor: Any, after: int) -> None:
        """Forgets the streams that other processes appended to behind the position `after`."""
        cursor.execute(_CHANGED.replace("?", self._dialect.mark), (after,))
        changed = cursor.fetchmany(_MOST_FOREIGN)
        if len(changed) == _MOST_FOREIGN:
            self._remembered.clear()
        for source, stream in changed:
            self._remembered.pop((source, stream), None)

    def renew(self, cursor: Any, now: Instant) -> None:
        """Looks at the versions again, under the append lock: the epoch is another one than that of `self.epoch`."""
        self._remembered.clear()
        versions = register(cursor, self._dialect, self._machines, now)
        self._standing = standing(cursor, self._dialect, self._machines, versions)
        self.epoch = self._standing.epoch

    def touch(self, cursor: Any, new: Sequence[New], conflicts: Sequence[tuple[str, int]]) -> dict[Row, Touch]:
        """The streams that new events, or conflicts with old ones, touch; events learn what opened their streams."""
        touched = self._touched(new)
        if conflicts:
            self._touch_conflicts(cursor, touched, self._hit(cursor, new, conflicts))
            # A conflict has no position by which other processes would see that a stream changed.
            self.epoch = raise_epoch(cursor, self._dialect)
        if touched:
            self._load(cursor, touched)
            for one in new:
                if one.stream is not None:
                    one.opened = self._remembered[one.entry.source, one.stream].opened
        return touched

    def project(self, writes: Writes, touched: dict[Row, Touch], head: int) -> None:
        """Adds the projections of touched streams to the writes, where their new events are. `head`: the last position.

        Streams that this code has no built version for are marked, as every stream is for the versions of others.
        """
        if not touched:
            return
        if not self._standing.plain:
            writes.flush()
            touched = self._leave_marks(writes.cursor, touched, head)
        attempt = partial(self._attempt, writes.cursor, head)
        places = [(self._remembered[where], touch) for where, touch in touched.items()]
        behind = [one for one, touch in places if attempt(one, self._advance, touch) is False]
        if behind:
            writes.flush()
        for one in behind:
            attempt(one, self._refold, writes.cursor)
        for one, touch in places:
            if self._remembered.get((one.source, one.stream)) is one:
                attempt(one, self._add, touch, writes)

    def _attempt(self, cursor: Any, head: int, one: Projection, act: Callable[..., Any], *arguments: Any) -> Any:
        """What `act` gives. What it raises, the driver's errors apart, is a fault of ours: the stream is given up.

        It must not write what others wait for: their error would be taken for the stream's.
        """
        try:
            return act(one, *arguments)
        except Exception as error:
            if is_from_driver(error):
                raise
            self._give_up(cursor, one, head, fault(error))

    def _touched(self, new: Sequence[New]) -> dict[Row, Touch]:
        touched: dict[Row, Touch] = {}
        for one in new:
            reading = one.entry.reading
            if isinstance(reading, Unreadable):
                continue
            source = one.entry.source
            if one.stream is not None:
                self._touch(touched, source, one.stream, reading.kind, reading.provider_id, one.position).events.append(
                    event_of(one, reading)
                )
            if reading.mentions:
                device = self._ids.of("device", source, reading.mentions)
                self._touch(touched, source, device, "device", reading.mentions, one.position)
        return touched

    @staticmethod
    def _touch(touched: dict[Row, Touch], source: str, stream: str, kind: str, name: str, position: int) -> Touch:
        touch = touched.get((source, stream))
        if touch is None:
            touch = touched[source, stream] = Touch(kind, name, position)
        return touch

    def _hit(self, cursor: Any, new: Sequence[New], conflicts: Sequence[tuple[str, int]]) -> list[tuple[str, str, int]]:
        """(source, stream, position) of the events that conflicts hit. One of this very batch is not in the log yet."""
        fresh = {(one.entry.source, one.position): one.stream for one in new}
        older = [where for where in set(conflicts) if where not in fresh]
        found = {(row[0], row[1]): row[2] for row in self._dialect.lookup(cursor, _STREAM_OF, older)} if older else {}
        hit = ((*where, (fresh | found).get(where)) for where in sorted(set(conflicts)))
        return [(source, stream, position) for source, position, stream in hit if stream is not None]

    def _touch_conflicts(self, cursor: Any, touched: dict[Row, Touch], streams: list[tuple[str, str, int]]) -> None:
        if not streams:
            return
        keys = list({(source, stream) for source, stream, _ in streams})
        kinds = {(row[0], row[1]): row[2:] for row in self._dialect.lookup(cursor, _KIND_OF, keys)}
        for source, stream, position in streams:
            kind, name = kinds.get((source, stream)) or _named(touched[source, stream])
            self._touch(touched, source, stream, kind, name, position).conflicts.append(position)

    def _load(self, cursor: Any, touched: dict[Row, Touch]) -> None:
        if len(self._remembered) > _REMEMBERED:
            self._remembered.clear()
        missing = [where for where in touched if where not in self._remembered]
        if missing:
            self._recall(cursor, missing, touched)

    def _recall(self, cursor: Any, missing: Sequence[Row], touched: dict[Row, Touch]) -> None:
        fresh = [self._remember(where, touched[where]) for where in missing]
        if stored := [one for one in fresh if one.version]:
            self._decode(cursor, stored)
        unknown = [one for one in fresh if not one.opened]
        if unknown and not self._standing.plain:
            self._find(cursor, unknown)
            unknown = [one for one in unknown if not one.opened]
        if unknown:
            self._open(cursor, unknown, touched)

    def _remember(self, where: Row, touch: Touch) -> Projection:
        source, stream = where
        machine = self._refolder.machine_of(source, touch.kind)
        own = self._own(machine)
        one = Projection(source, stream, touch.kind, touch.provider_id, machine, own.version if own.built else "")
        self._remembered[where] = one
        return one

    def _own(self, machine: fold.Kind) -> Own:
        return self._standing.machines[machine.name]

    def _decode(self, cursor: Any, fresh: Sequence[Projection]) -> None:
        """Takes up the folds that are stored; one that is marked is not up to date, and stays without a state."""
        keys = [(one.source, one.stream, one.version) for one in fresh]
        stale = set() if self._standing.plain else marked(cursor, self._dialect, keys)
        erased = []
        for source, stream, opened, conflicts, snapshot, was_erased in self._dialect.lookup(cursor, _LOAD, keys):
            one = self._remembered[source, stream]
            one.opened, one.conflicts = opened, conflicts
            if was_erased:
                erased.append(one)
            elif (source, stream, one.version) not in stale:
                self._take_up(one, snapshot)
        if erased:
            self._take_up_erased(cursor, erased)

    def _take_up(self, one: Projection, snapshot: bytes) -> None:
        try:
            one.state = fold.decode(one.machine, snapshot)
            one.measured = measurement_rows(self._ids, one)
        except Exception:  # noqa: BLE001 - it is folded anew, and what is wrong with our code is told there
            one.state = None

    def _take_up_erased(self, cursor: Any, erased: Sequence[Projection]) -> None:
        """Who sends again under an erased name is named again; what comes is folded onto what is left."""
        left = bases(cursor, self._dialect, [(one.source, one.stream) for one in erased])
        for one in erased:
            one.base = left[one.source, one.stream]
            cursor.execute(_NAME_AGAIN.replace("?", self._dialect.mark), (one.provider_id, one.source, one.stream))

    def _find(self, cursor: Any, unknown: Sequence[Projection]) -> None:
        """Streams that another version's code opened."""
        keys = [(one.source, one.stream) for one in unknown]
        for source, stream, opened in self._dialect.lookup(cursor, _OPENED, keys):
            self._remembered[source, stream].opened = opened

    def _open(self, cursor: Any, unknown: Sequence[Projection], touched: dict[Row, Touch]) -> None:
        for one in unknown:
            one.opened = touched[one.source, one.stream].opened
            if one.version:
                one.state = one.machine.State()
        self._dialect.insert(
            cursor, _STREAMS, [(one.source, one.stream, one.kind, one.provider_id, one.opened) for one in unknown]
        )

    def _leave_marks(self, cursor: Any, touched: dict[Row, Touch], head: int) -> dict[Row, Touch]:
        """Marks what others have to fold; folds at once what was marked for us. The rest is folded as ever."""
        marks: list[tuple[str, str, str, int]] = []
        mine: dict[Row, Touch] = {}
        stale: list[Waiting] = []
        for (source, stream), touch in touched.items():
            one = self._remembered[source, stream]
            own = self._own(one.machine)
            position = touch.events[0].position if touch.events else head
            versions = own.others if own.built else (own.version, *own.others)
            marks += [(source, stream, version, position) for version in versions]
            if one.state is not None:
                mine[source, stream] = touch
            elif one.version:  # marked before this batch, or left by another release
                stale.append(Waiting(source, stream, one.kind, one.provider_id, one.opened, one.version))
                del self._remembered[source, stream]
        if marks:
            mark(cursor, self._dialect, marks)
        self._refolder.catch_up(cursor, stale)
        return mine

    def _advance(self, one: Projection, touch: Touch) -> bool:
        """Whether the stream's state could be moved on by the new events; else it has to be folded anew."""
        settings = self._sources[one.source].settings
        return one.state is not None and all(
            fold.advance(one.machine, one.state, new, settings) for new in touch.events
        )

    def _add(self, one: Projection, touch: Touch, writes: Writes) -> None:
        if touch.conflicts:
            one.conflicts = with_conflicts(one.conflicts, touch.conflicts)
        row, measured = projection_row(self._ids, one), measurement_rows(self._ids, one)
        for key in _outdated(one.measured, measured):
            writes.cursor.execute(FORGET_MEASUREMENT.replace("?", self._dialect.mark), key)
        writes.add(PROJECTIONS, [row])
        writes.add(_MEASUREMENTS, [new for key, new in measured.items() if one.measured.get(key) != new])
        one.measured = measured

    def _refold(self, one: Projection, cursor: Any) -> None:
        source = self._sources[one.source]
        rows = stream_rows(cursor, self._dialect, one.source, one.stream, one.opened)
        events = [to_event(*row, read=source.read) for row in rows]
        base = one.base and one.base.state(one.machine)
        state = fold.fold(one.machine, events, source.settings, base)
        if one.state is None:  # nobody knows which rows are there
            cursor.execute(_FORGET_MEASURED.replace("?", self._dialect.mark), (one.source, one.stream, one.version))
        one.state = state

    def _give_up(self, cursor: Any, one: Projection, head: int, error: str) -> None:
        """The stream waits for other code, or for its next event; every process has to know that its row is old."""
        _logger.error("fold_failed", source=one.source, stream=one.stream, version=one.version, error=error)
        mark(cursor, self._dialect, [(one.source, one.stream, one.version, head)], error)
        del self._remembered[one.source, one.stream]
        self._standing = msgspec.structs.replace(self._standing, plain=False)
        self.epoch = raise_epoch(cursor, self._dialect)


def _outdated(stored: Mapping[Row, Row], now: Mapping[Row, Row]) -> list[Row]:
    """Keys of rows that must go first: what is gone, and what is another where an upsert keeps it."""
    return [key for key, row in stored.items() if key not in now or now[key][_KEPT] != row[_KEPT]]


def _named(touch: Touch) -> tuple[str, str]:
    return touch.kind, touch.provider_id
