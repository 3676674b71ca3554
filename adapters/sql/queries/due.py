"""Statements on streams that are open: counts, how many are overdue, and actions that no webhook has ended."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, Subquery, and_, func, literal_column, select, text

from adapters.sql.database.tables import MAY_BE_DUE, projections, streams
from adapters.sql.queries.filters import Due
from core.event import Instant

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


class LiveAction(NamedTuple):
    """An open action. `opened` is the position that first named it."""

    opened: int
    action_id: str
    state: str


def live_actions(source: str, versions: Sequence[str], after: int, heard_before: Instant, limit: int) -> Select[Any]:
    """Columns of LiveAction: a source's open actions without recent events, in the order of opening."""
    own = and_(streams.c.source == projections.c.source, streams.c.stream == projections.c.stream)
    return (
        select(projections.c.opened, streams.c.provider_id, projections.c.state)
        .join_from(projections, streams, own)
        .where(
            projections.c.machine == "action",
            projections.c.source == source,
            projections.c.opened > after,
            text(MAY_BE_DUE),
        )
        .where(projections.c.state.in_(["acknowledged", "scheduled"]))
        .where(projections.c.fingerprint.in_(versions), streams.c.provider_id.is_not(None))
        .where(projections.c.last_at < heard_before)
        .order_by(projections.c.opened)
        .limit(limit)
    )
