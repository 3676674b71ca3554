"""Statements that count what is folded, by source, state and outcome."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, Table, func, select

from adapters.sql.database.tables import measurements, projections

NEWEST = 5_000
"""Of each kind, so many of the newest are counted, however many there are."""


class Counted(NamedTuple):
    """How many of a kind are in a state, with an outcome or None."""

    kind: str
    source: str
    state: str
    outcome: str | None
    number: int


def of_streams(kind: str, fingerprints: Sequence[str], after: int) -> Select[Any]:
    """Columns of Counted behind the kind: streams that an event behind the position `after` has touched, if any did."""
    found = _newest(projections, fingerprints).where(projections.c.kind == kind)
    return _counted(found.add_columns(projections.c.position.label("at")), after)


def of_measurements(fingerprints: Sequence[str], after: int) -> Select[Any]:
    """The same of measurements that began behind it."""
    found = _newest(measurements, fingerprints)
    return _counted(found.add_columns(measurements.c.opened.label("at")), after)


def _newest(table: Table, fingerprints: Sequence[str]) -> Select[Any]:
    columns = (table.c.source, table.c.state, table.c.outcome)
    found = select(*columns).where(table.c.fingerprint.in_(fingerprints))
    return found.order_by(table.c.opened.desc()).limit(NEWEST)


def _counted(newest: Select[Any], after: int) -> Select[Any]:
    """`at` is 0 of a stream that was only mentioned."""
    rows = newest.subquery()
    names = (rows.c.source, rows.c.state, rows.c.outcome)
    found = select(*names, func.count()).group_by(*names).order_by(*names)
    return found.where(rows.c["at"] > after) if after else found
