"""Statements that count open streams, and those of them that are overdue, presumed ended or silent."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, Subquery, func, literal_column, select

from adapters.sql.database.tables import MAY_BE_DUE, projections
from adapters.sql.queries.filters import Due

MOST = 10_000
"""The most streams examined for a machine and a source."""


def live(machine: str, source: str, fingerprints: Sequence[str]) -> Select[Any]:
    """Counts a machine's streams of a source in states with a deadline."""
    return select(func.count()).select_from(_first(machine, source, fingerprints))


def due(machine: str, source: str, fingerprints: Sequence[str], wanted: Due) -> Select[Any]:
    """Counts those of them that are due."""
    first = _first(machine, source, fingerprints)
    return select(func.count()).select_from(first).where(wanted.condition(first))


def _first(machine: str, source: str, fingerprints: Sequence[str]) -> Subquery:
    """The oldest of them."""
    columns = projections.c
    return (
        select(columns.machine, columns.source, columns.state, columns.first_at, columns.last_at)
        .where(columns.machine == machine, columns.source == source, literal_column(MAY_BE_DUE))
        .where(columns.fingerprint.in_(fingerprints))
        .order_by(columns.opened)
        .limit(MOST)
        .subquery(projections.name)
    )
