"""Statements that count the few streams that have yet to end, and those of them whose end has not come in time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal_column, select

from adapters.sql.database.tables import MAY_BE_DUE, projections
from adapters.sql.reads.filters import Due

MOST = 10_000
"""Of each kind, or of each machine and source, no more are looked at."""


def live(kind: str, fingerprints: Sequence[str]) -> Select[Any]:
    """How many of a kind are in a state that has a deadline, by source."""
    columns = projections.c
    found = select(columns.source).where(
        columns.kind == kind, columns.fingerprint.in_(fingerprints), literal_column(MAY_BE_DUE)
    )
    rows = found.limit(MOST).subquery()
    return select(rows.c.source, func.count()).group_by(rows.c.source).order_by(rows.c.source)


def due(machine: str, source: str, fingerprints: Sequence[str], wanted: Due) -> Select[Any]:
    """How many are due, of a machine's streams of a source that are in such a state and were opened first."""
    columns = projections.c
    first = (
        select(columns.machine, columns.source, columns.state, columns.first_at, columns.last_at)
        .where(columns.machine == machine, columns.source == source, literal_column(MAY_BE_DUE))
        .where(columns.fingerprint.in_(fingerprints))
        .order_by(columns.opened)
        .limit(MOST)
        .subquery(projections.name)
    )
    return select(func.count()).select_from(first).where(wanted.condition(first))
