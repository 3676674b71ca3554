"""Erased streams: their last state, onto which later events are folded."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from core.folding import fold
from core.ids import Ids
from core.states.records import Measurement

_BASES = Lookup("t.source, t.stream, t.position, t.measured, t.snapshot", tables.erased, ("source", "stream"))
_KEEP = Insert.upsert(tables.erased)


class Base(msgspec.Struct, frozen=True, dict=True):
    """The remainder of an erased stream. `position` is that of the event that records the erasure.

    `measured` maps the first positions of its measurements to our ids, which cannot be derived again.
    """

    position: int
    measured: dict[int, str]
    snapshot: bytes

    def state(self, machine: fold.StateMachine) -> Any:
        """A fresh copy of the state. Raises msgspec.DecodeError if the machine's state has another form by now."""
        return fold.decode(machine, self.snapshot)

    @cached_property
    def taken(self) -> frozenset[str]:
        """Our ids that later measurements must not get."""
        return frozenset(self.measured.values())


def measurement_id(ids: Ids, base: Base | None, source: str, session: str, record: Measurement) -> str:
    """Our id of a measurement; the stored one if it was erased."""
    kept = base.measured.get(record.position) if base else None
    return kept or new_measurement_id(ids, base, source, session, record.measurement_id, record.key)


def new_measurement_id(ids: Ids, base: Base | None, source: str, session: str, name: str | None, key: str) -> str:
    """Our id of a measurement that was not erased. The provider may reuse the name of one that was."""
    ours = ids.measurement(source, session, name, key)
    while base and ours in base.taken:
        ours = ids.of("measurement", source, session, name or "", ours)
    return ours


def bases(cursor: Any, dialect: Dialect, streams: Sequence[Row]) -> dict[Row, Base]:
    """The remainders of those (source, stream) that were erased."""
    return {
        (source, stream): Base(position, msgspec.json.decode(measured, type=dict[int, str]), snapshot)
        for source, stream, position, measured, snapshot in dialect.lookup(cursor, _BASES, streams)
    }


def keep(cursor: Any, dialect: Dialect, kept: Sequence[tuple[str, str, Base]]) -> None:
    """Stores the remainder of each (source, stream)."""
    rows = [
        (source, stream, base.position, msgspec.json.encode(base.measured), base.snapshot)
        for source, stream, base in kept
    ]
    dialect.insert(cursor, _KEEP, rows)
