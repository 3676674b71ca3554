"""A stream's fold, and the rows in which a version stores it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Row
from adapters.sql.projections.erased import Base, measurement_id
from adapters.sql.projections.stored_events import BodyReader
from core.event import ANOMALIES, Instant
from core.folding import fold
from core.folding.prefixes import Prefix
from core.ids import Ids
from core.states.records import Measurement
from core.states.state import BLOCK, NEWEST, Run
from core.views.completeness import SOURCE_SILENT_AFTER

_COLUMNS = list(tables.measurements.c.keys())
_KEPT = slice(_COLUMNS.index("stream"), _COLUMNS.index("measurement_id") + 1)
"""The columns of `measurements` that an upsert leaves unchanged."""

_RECORD = _COLUMNS.index("record")

_block = msgspec.msgpack.Decoder(list[Run])
_record = msgspec.msgpack.Decoder(Measurement)
_BITS = {kind: 1 << place for place, kind in enumerate(ANOMALIES)}


class Source(msgspec.Struct):
    """A configured source, as far as the log needs it. `machine_of` maps a stream's kind to its machine.

    After `silent_after` without events the source counts as silent.
    """

    provider: str
    machine_of: Callable[[str], str]
    read: BodyReader
    settings: fold.Settings
    silent_after: Instant = SOURCE_SILENT_AFTER


@dataclass(frozen=True, slots=True)
class Code:
    """What this process folds with: the machines of its code, the sources that it can read, and our ids."""

    ids: Ids
    sources: Mapping[str, Source]
    machines: Mapping[str, fold.StateMachine] = field(default_factory=lambda: fold.MACHINES)

    def machine_of(self, source: str, kind: str) -> fold.StateMachine:
        """The machine that folds a source's streams of that kind."""
        return self.machines[self.sources[source].machine_of(kind)]


class Projection:
    """A stream's fold in memory, in one `version`. `state` is None before the first fold.

    `base` is the remainder of an erased stream. `measured` has its rows of `measurements` by primary key, without those
    that have left the state. `prefixes` are rows of that table that are not written yet.
    """

    __slots__ = (
        *("base", "conflicts", "kind", "machine", "measured", "opened", "prefixes", "provider_id"),
        *("source", "state", "stream", "version"),
    )

    def __init__(
        self, source: str, stream: str, kind: str, provider_id: str, machine: fold.StateMachine, version: str
    ) -> None:
        self.source = source
        self.stream = stream
        self.kind = kind
        self.provider_id = provider_id
        self.machine = machine
        self.version = version
        self.opened = 0
        self.conflicts = ""
        self.state: Any = None
        self.base: Base | None = None
        self.measured: dict[Row, Row] = {}
        self.prefixes: list[Row] = []

    def keep(self, prefix: Prefix) -> None:
        """Adds a prefix's row, unless the stream was erased: no fold can continue from one of those."""
        if self.base is None:
            told = (prefix.position, prefix.last, fold.encode(prefix.others), prefix.state.run)
            self.prefixes.append((self.source, self.stream, self.version, *told, _without_what_is_over(prefix.state)))


def projection_row(ids: Ids, one: Projection) -> Row:
    """Builds the row of a projection in the table `projections`."""
    state = one.state
    device = state.data.get("device_id") if one.kind == "action" else None
    return (
        *(one.source, one.stream, one.version, one.kind, one.machine.name, one.opened, state.position),
        *(state.state, state.outcome, state.user_id),
        ids.of("device", one.source, device) if isinstance(device, str) else None,
        *(state.first_at, state.last_at, mask(state.counts) | (_BITS["conflict"] if one.conflicts else 0)),
        *(one.conflicts, _without_what_is_over(state)),
    )


def run_rows(one: Projection) -> list[Row]:
    """The rows of `runs` for the blocks that have left the state since the last write."""
    over = one.state.over
    blocks = [over[start : start + BLOCK] for start in range(0, len(over), BLOCK)]
    return [(one.source, one.stream, one.version, block[0].run, fold.encode(block)) for block in blocks]


def runs_in(block: bytes) -> list[Run]:
    """Decodes a row of `runs`. Raises msgspec.DecodeError if the form has changed since."""
    return _block.decode(block)


def record_in(record: bytes) -> Measurement:
    """Decodes a row's measurement. Raises msgspec.DecodeError if the form has changed since."""
    return _record.decode(record)


def is_left(row: Row) -> bool:
    """Whether a row belongs to a measurement that has left its session's state."""
    return row[_RECORD] is not None


def written(one: Projection, measured: Mapping[Row, Row]) -> None:
    """Records that all rows, including `measured`, are written, and drops what has left the state."""
    one.measured = {key: row for key, row in measured.items() if not is_left(row)}
    one.state.taken_out()
    one.prefixes = []


def _without_what_is_over(state: Any) -> bytes:
    held = msgspec.structs.replace(state)
    held.taken_out()
    return fold.encode(held)


def measurement_rows(ids: Ids, one: Projection) -> dict[Row, Row]:
    """The rows of the measurements in the state, by primary key."""
    if one.machine.name != "measurement":
        return {}
    state, rows = one.state, dict[Row, Row]()
    for record in state.measurements:
        rows.update([_measurement_row(ids, one, record)])
    for record in (*state.settled.values(), *state.nameless):
        rows.update([_measurement_row(ids, one, record, record.last, fold.encode(record))])
    return rows


def _measurement_row(ids: Ids, one: Projection, record: Measurement, *left: Any) -> tuple[Row, Row]:
    """The row's key and the row. `left`: position and record of a measurement that has left the state."""
    key: Row = (one.source, measurement_id(ids, one.base, one.source, one.provider_id, record), one.version)
    columns = (one.stream, record.position, record.measurement_id, record.state, record.outcome, mask(record.counts))
    return key, (*key, *columns, *(left or (None, None)))


def changed_rows(stored: Mapping[Row, Row], now: Mapping[Row, Row]) -> list[Row]:
    """The rows of measurements that differ from the stored ones."""
    return [row for key, row in now.items() if stored.get(key) != row]


def outdated_rows(stored: Mapping[Row, Row], now: Mapping[Row, Row]) -> list[Row]:
    """Keys of rows to delete first: those that no longer exist, and those that differ in columns which an upsert leaves
    unchanged.
    """
    return [key for key, row in stored.items() if key not in now or now[key][_KEPT] != row[_KEPT]]


def mask(kinds: Iterable[str]) -> int:
    """The kinds of anomalies as bits, in the order of `core.event.ANOMALIES`."""
    bits = 0
    for kind in kinds:
        bits |= _BITS[kind]
    return bits


def with_conflicts(known: str, more: Sequence[int]) -> str:
    """The newest positions of events with conflicts, ascending, separated by commas."""
    told = {*filter(None, known.split(",")), *map(str, more)}
    return ",".join(sorted(told, key=int)[-NEWEST:])
