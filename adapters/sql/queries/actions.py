"""Statements on open actions: acknowledged or scheduled, and not ended by a webhook."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, select, text

from adapters.sql.database.tables import MAY_BE_DUE, projections, streams
from core.event import Instant


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
