"""Restores measurements that have left their session's state when an event names one of them."""

from collections.abc import Iterable, Sequence
from typing import Any

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Lookup, Row
from adapters.sql.projections.erased import new_measurement_id
from adapters.sql.projections.projection import Projection, record_in
from core.event import Event
from core.ids import Ids

MEASUREMENT_COLUMNS = list(tables.measurements.c.keys())

_LEFT = Lookup(
    ", ".join(f"t.{name}" for name in MEASUREMENT_COLUMNS),
    tables.measurements,
    ("source", "measurement", "fingerprint"),
    " WHERE t.position IS NOT NULL AND t.measurement_id IS NOT NULL",
)
_NAME, _RECORD = (MEASUREMENT_COLUMNS.index(name) for name in ("measurement_id", "record"))

StreamRow = dict[Row, Projection]
"""Maps the primary key of a measurement's row to the session whose state lacks it."""


def named_elsewhere(ids: Ids, sessions: Iterable[tuple[Projection, Sequence[Event]]]) -> StreamRow:
    """The measurements that the events name and that may have left their sessions' states."""
    wanted: StreamRow = {}
    for one, events in sessions:
        if one.machine.name == "measurement" and one.state is not None:
            for name in filter(None, map(one.state.elsewhere, events)):
                ours = new_measurement_id(ids, one.base, one.source, one.provider_id, name, "")
                wanted[one.source, ours, one.version] = one
    return wanted


def bring_back(cursor: Any, dialect: Dialect, wanted: StreamRow) -> None:
    """Loads the stored measurements and puts them among the settled ones of their sessions' states."""
    for row in dialect.lookup(cursor, _LEFT, list(wanted)) if wanted else ():
        key: Row = tuple(row[:3])
        one = wanted[key]
        one.measured[key] = tuple(row)
        one.state.settled[row[_NAME]] = record_in(bytes(row[_RECORD]))
