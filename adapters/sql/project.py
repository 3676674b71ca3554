"""Folds what an append brought into the projections, in the append's own transaction."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql import tables
from adapters.sql.dialects import Dialect, Insert, Lookup, Row
from adapters.sql.entries import Entry
from adapters.sql.stored import Reader, stream_events
from core import fold
from core.event import ANOMALIES, Event, Reading, Unreadable
from core.ids import Ids

_BITS = {kind: 1 << place for place, kind in enumerate(ANOMALIES)}
_REMEMBERED = 4_096
_MOST_FOREIGN = 10_000

_PROJECTIONS = Insert.upsert(tables.projections)
_MEASUREMENTS = Insert.upsert(tables.measurements)
_STREAMS = Insert(tables.streams, " ON CONFLICT DO NOTHING")
_LOAD = Lookup(
    "t.source, t.stream, t.opened, t.conflicts, t.snapshot", tables.projections, ("source", "stream", "fingerprint")
)
_STREAM_OF = Lookup("t.source, t.position, t.stream", tables.events, ("source", "position"))
_KIND_OF = Lookup("t.source, t.stream, t.kind, t.provider_id", tables.streams, ("source", "stream"))
_CHANGED = "SELECT DISTINCT source, stream FROM events WHERE position > ?"
_FORGET_MEASUREMENT = "DELETE FROM measurements WHERE source = ? AND measurement = ? AND fingerprint = ?"


class New(msgspec.Struct, gc=False):
    """An entry that became an event, its position, its key's hash, its stream and the position that opened that."""

    position: int
    entry: Entry
    key: bytes
    stream: str | None
    opened: int | None = None


class Source(msgspec.Struct):
    """What the log has to know of a configured source; `machine_of` names the machine of a stream's kind."""

    provider: str
    machine_of: Callable[[str], str]
    read: Reader
    settings: fold.Settings


class Projection:
    """A stream's fold in memory, as it stands in its row."""

    __slots__ = ("conflicts", "kind", "machine", "opened", "provider_id", "source", "state", "stream")

    def __init__(self, source: str, stream: str, kind: str, provider_id: str, machine: fold.Kind) -> None:
        self.source = source
        self.stream = stream
        self.kind = kind
        self.provider_id = provider_id
        self.machine = machine
        self.opened = 0
        self.conflicts = ""
        self.state: Any = None


class Touch:
    """What one batch does to one stream."""

    __slots__ = ("conflicts", "events", "kind", "opened", "provider_id")

    def __init__(self, kind: str, provider_id: str, opened: int) -> None:
        self.kind = kind
        self.provider_id = provider_id
        self.opened = opened
        self.events: list[Event] = []
        self.conflicts: list[int] = []


class Projector:
    """Keeps the projections of the machines that this code declares. Remembers the streams that it folded last."""

    def __init__(self, dialect: Dialect, ids: Ids, sources: Mapping[str, Source]) -> None:
        self._dialect = dialect
        self._ids = ids
        self._sources = sources
        self._remembered: dict[Row, Projection] = {}

    def forget(self) -> None:
        """Forgets every stream: what is remembered may not be what was committed."""
        self._remembered.clear()

    def forget_changed(self, cursor: Any, after: int) -> None:
        """Forgets the streams that other processes appended to behind the position `after`."""
        cursor.execute(_CHANGED.replace("?", self._dialect.mark), (after,))
        changed = cursor.fetchmany(_MOST_FOREIGN)
        if len(changed) == _MOST_FOREIGN:
            self.forget()
        for source, stream in changed:
            self._remembered.pop((source, stream), None)

    def touch(self, cursor: Any, new: Sequence[New], conflicts: Sequence[tuple[str, int]]) -> dict[Row, Touch]:
        """The streams that new events, or conflicts with old ones, touch; events learn what opened their streams."""
        touched = self._touched(new)
        if conflicts:
            self._touch_conflicts(cursor, touched, conflicts)
        if touched:
            self._load(cursor, touched)
            for one in new:
                if one.stream is not None:
                    one.opened = self._remembered[one.entry.source, one.stream].opened
        return touched

    def project(self, cursor: Any, touched: dict[Row, Touch]) -> None:
        """Writes the projections of touched streams, whose new events are in the log by now."""
        if not touched:
            return
        projections = {where: self._remembered[where] for where in touched}
        measured: list[Row] = []
        gone: list[Row] = []
        for where, touch in touched.items():
            self._fold(cursor, projections[where], touch, measured, gone)
        self._dialect.insert(cursor, _PROJECTIONS, [self._row(one) for one in projections.values()])
        for row in gone:
            cursor.execute(_FORGET_MEASUREMENT.replace("?", self._dialect.mark), row)
        if measured:
            self._dialect.insert(cursor, _MEASUREMENTS, measured)

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

    def _touch_conflicts(self, cursor: Any, touched: dict[Row, Touch], conflicts: Sequence[tuple[str, int]]) -> None:
        streams = [
            (source, stream, position)
            for source, position, stream in self._dialect.lookup(cursor, _STREAM_OF, list(set(conflicts)))
            if stream is not None
        ]
        if not streams:
            return
        keys = list({(source, stream) for source, stream, _ in streams})
        kinds = {(row[0], row[1]): row[2:] for row in self._dialect.lookup(cursor, _KIND_OF, keys)}
        for source, stream, position in streams:
            kind, name = kinds.get((source, stream)) or _named(touched[source, stream])
            self._touch(touched, source, stream, kind, name, position).conflicts.append(position)

    def _load(self, cursor: Any, touched: dict[Row, Touch]) -> None:
        if len(self._remembered) > _REMEMBERED:
            self.forget()
        missing = [where for where in touched if where not in self._remembered]
        if missing:
            self._recall(cursor, missing, touched)

    def _recall(self, cursor: Any, missing: Sequence[Row], touched: dict[Row, Touch]) -> None:
        for source, stream in missing:
            touch = touched[source, stream]
            machine = fold.MACHINES[self._sources[source].machine_of(touch.kind)]
            self._remembered[source, stream] = Projection(source, stream, touch.kind, touch.provider_id, machine)
        keys = [(*where, self._remembered[where].machine.fingerprint) for where in missing]
        for source, stream, opened, conflicts, snapshot in self._dialect.lookup(cursor, _LOAD, keys):
            one = self._remembered[source, stream]
            one.opened, one.conflicts, one.state = opened, conflicts, fold.decode(one.machine, snapshot)
        unknown = [self._remembered[where] for where in missing if self._remembered[where].state is None]
        if unknown:
            self._open(cursor, unknown, touched)

    def _open(self, cursor: Any, unknown: Sequence[Projection], touched: dict[Row, Touch]) -> None:
        for one in unknown:
            one.opened = touched[one.source, one.stream].opened
            one.state = fold.fold(one.machine, [], self._sources[one.source].settings)
        self._dialect.insert(
            cursor, _STREAMS, [(one.source, one.stream, one.kind, one.provider_id, one.opened) for one in unknown]
        )

    def _fold(self, cursor: Any, one: Projection, touch: Touch, measured: list[Row], gone: list[Row]) -> None:
        before = self._measurements(one)
        settings = self._sources[one.source].settings
        for event in touch.events:
            if not fold.advance(one.machine, one.state, event, settings):
                events = stream_events(
                    cursor, self._dialect, one.source, one.stream, one.opened, self._sources[one.source].read
                )
                one.state = fold.fold(one.machine, events, settings)
                break
        if touch.conflicts:
            told = {*filter(None, one.conflicts.split(",")), *map(str, touch.conflicts)}
            one.conflicts = ",".join(sorted(told, key=int))
        after = self._measurements(one)
        measured.extend(row for key, row in after.items() if before.get(key) != row)
        gone.extend(key for key in before if key not in after)

    def _measurements(self, one: Projection) -> dict[Row, Row]:
        if one.machine.name != "measurement":
            return {}
        fingerprint = one.machine.fingerprint
        rows = {}
        for record in one.state.measurements:
            names = (record.measurement_id,) if record.measurement_id is not None else ("", record.key)
            ours = self._ids.of("measurement", one.source, one.provider_id, *names)
            rows[one.source, ours, fingerprint] = (
                *(one.source, ours, fingerprint, one.stream, record.position, record.measurement_id),
                *(record.state, record.outcome, mask(record.anomalies)),
            )
        return rows

    def _row(self, one: Projection) -> Row:
        state, machine = one.state, one.machine
        device = state.data.get("device_id") if one.kind == "action" else None
        return (
            *(one.source, one.stream, machine.fingerprint, one.kind, machine.name, one.opened, state.position),
            *(state.state, state.outcome, state.user_id),
            self._ids.of("device", one.source, device) if isinstance(device, str) else None,
            *(state.first_at, state.last_at, mask(state.anomalies) | (_BITS["conflict"] if one.conflicts else 0)),
            *(one.conflicts, fold.encode(state)),
        )


def mask(anomalies: Sequence[Any]) -> int:
    """The kinds of the anomalies as bits, in the order of `core.event.ANOMALIES`."""
    bits = 0
    for anomaly in anomalies:
        bits |= _BITS[anomaly.kind]
    return bits


def event_of(new: New, reading: Reading) -> Event:
    """The event as the fold takes it."""
    return Event(
        new.position,
        new.key,
        reading.type,
        reading.sequence,
        reading.occurred_at,
        new.entry.received_at,
        new.entry.verified_by is not None,
        reading.data,
        reading.known,
        reading.notes,
    )


def _named(touch: Touch) -> tuple[str, str]:
    return touch.kind, touch.provider_id
