"""Statements that count the few streams that have yet to end, and those of them whose end has not come in time."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, func, literal_column, select

from adapters.sql.database.tables import MAY_BE_DUE, projections
from adapters.sql.reads.filters import Due

MOST = 10_000
"""Of each kind, no more are counted."""


def live(kind: str, fingerprints: Sequence[str], due: Due | None = None) -> Select[Any]:
    """How many of a kind are in a state that has a deadline, by source; with `due`, those of which that is true."""
    columns = projections.c
    found = select(columns.source).where(
        columns.kind == kind, columns.fingerprint.in_(fingerprints), literal_column(MAY_BE_DUE)
    )
    if due is not None:
        found = found.where(due.condition(projections))
    rows = found.limit(MOST).subquery()
    return select(rows.c.source, func.count()).group_by(rows.c.source).order_by(rows.c.source)
