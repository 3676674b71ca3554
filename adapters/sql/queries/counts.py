"""Statements that count projections by source, state and outcome, and by anomaly."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, case, func, literal_column, select

from adapters.sql.database.tables import MISREAD, events, measurements, projections

NEWEST = 2_000
"""The number of newest streams of each kind that are counted."""


class Counted(NamedTuple):
    """How many of a kind have a state and an outcome (or None). `recent`: how many of them changed lately."""

    kind: str
    source: str
    state: str
    outcome: str | None
    number: int
    recent: int


class Anomalous(NamedTuple):
    """How many of a kind have this set of anomalies, as a bit mask."""

    kind: str
    source: str
    mask: int
    number: int


def of_anomalies(kind: str, fingerprints: Sequence[str]) -> Select[Any]:
    """Columns of Anomalous after the kind, for the newest that have anomalies, by a partial index."""
    table = projections.c
    found = select(table.source, table.anomalies).where(
        table.fingerprint.in_(fingerprints), table.kind == kind, table.anomalies != literal_column("0")
    )
    rows = found.order_by(table.opened.desc()).limit(NEWEST).subquery()
    return select(rows.c.source, rows.c.anomalies, func.count()).group_by(rows.c.source, rows.c.anomalies)


def of_streams(kind: str, fingerprints: Sequence[str], after: int) -> Select[Any]:
    """Columns of Counted after the kind. Streams with an event after the position `after` are recent."""
    return _counted(projections, projections.c.position, after, fingerprints, projections.c.kind == kind)


def of_measurements(fingerprints: Sequence[str], after: int) -> Select[Any]:
    """The same for measurements. Those that began after the position are recent."""
    return _counted(measurements, measurements.c.opened, after, fingerprints)


def recent_sessions(fingerprints: Sequence[str], after: int) -> Select[Any]:
    """Source, outcome, anomaly mask and count, for the newest sessions with an event after `after`."""
    columns = projections.c
    found = select(columns.source, columns.outcome, columns.anomalies, columns.position)
    found = found.where(columns.fingerprint.in_(fingerprints), columns.kind == "session")
    rows = found.order_by(columns.opened.desc()).limit(NEWEST).subquery()
    names = (rows.c.source, rows.c.outcome, rows.c.anomalies)
    return select(*names, func.count()).where(rows.c.position > after).group_by(*names).order_by(*names)


def misread(reading: str) -> Select[Any]:
    """Source and count of the newest events with this reading, by the partial index over misread events."""
    found = select(events.c.source).where(events.c.reading == reading, MISREAD)
    rows = found.order_by(events.c.position.desc()).limit(NEWEST).subquery()
    return select(rows.c.source, func.count()).group_by(rows.c.source).order_by(rows.c.source)


def _counted(
    table: Table, at: ColumnElement[int], after: int, fingerprints: Sequence[str], *only: ColumnElement[bool]
) -> Select[Any]:
    """One pass over the newest, in index order."""
    columns = (table.c.source, table.c.state, table.c.outcome, at.label("at"))
    found = select(*columns).where(table.c.fingerprint.in_(fingerprints), *only)
    rows = found.order_by(table.c.opened.desc()).limit(NEWEST).subquery()
    names = (rows.c.source, rows.c.state, rows.c.outcome)
    recent = func.sum(case((rows.c["at"] > after, 1), else_=0))
    return select(*names, func.count(), recent).group_by(*names).order_by(*names)
