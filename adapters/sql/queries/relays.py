"""Statements on deliveries to handlers, by position."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select

from adapters.sql.database.facts import paused_name
from adapters.sql.database.tables import events, relays, service
from adapters.sql.queries.union_pages import union_of_pages
from core.event import Instant

MOST_COUNTED = 10_000
"""The most rows that are counted, so that a count is fast."""


class QueuedRelay(NamedTuple):
    """A delivery that waits, is leased (`holder`), or is dead (`dead_at`). `lane`: see the table."""

    source: str
    position: int
    lane: str
    due: Instant | None
    holder: str | None
    attempts: int
    first_at: Instant | None
    last_at: Instant | None
    status: int | None
    failure: str | None
    dead_at: Instant | None


class RelayState(NamedTuple):
    """How many deliveries of a source wait and are dead, each counted up to `MOST_COUNTED`.

    `oldest_at` is when the oldest waiting one was received, `next_at` when the next attempt is due.
    """

    source: str
    waiting: int
    dead: int
    oldest_at: Instant | None
    next_at: Instant | None
    paused_at: Instant | None


def list_relays(sources: Sequence[str], after: int, limit: int, *, dead: bool) -> Select[Any]:
    """Deliveries after a position, the oldest first; optionally only dead ones."""
    columns = [relays.c[name] for name in QueuedRelay._fields]
    query = select(*columns).where(relays.c.position > after)
    if dead:
        query = query.where(relays.c.dead_at.is_not(None))
    arms = [query.where(relays.c.source == name).order_by(relays.c.position).limit(limit) for name in sources]
    return union_of_pages(arms, "position", limit=limit)


def relay_state(connection: Connection, source: str) -> RelayState:
    """Each subquery reads an index, and no more than is counted."""
    own, waits = relays.c.source == source, relays.c.dead_at.is_(None)
    oldest = select(relays.c.position).where(own, waits).order_by(relays.c.position).limit(1).scalar_subquery()
    received = select(events.c.received_at).where(events.c.source == source, events.c.position == oldest)
    due = select(relays.c.due).where(own, relays.c.due.is_not(None)).order_by(relays.c.due).limit(1)
    paused = connection.scalar(select(service.c.value).where(service.c.name == paused_name(source)))
    return RelayState(
        source=source,
        waiting=connection.scalars(_count(select(relays.c.position).where(own, waits))).one(),
        dead=connection.scalars(_count(select(relays.c.position).where(own, ~waits))).one(),
        oldest_at=connection.scalar(received),
        next_at=connection.scalar(due),
        paused_at=None if paused is None else int(paused),
    )


def _count(query: Select[Any]) -> Select[Any]:
    return select(func.count()).select_from(query.limit(MOST_COUNTED).subquery())
