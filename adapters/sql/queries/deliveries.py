"""Statements on deliveries, newest first. A `new` delivery is the event itself.

Events and other deliveries are merged by place: an event's position, or the log's last position when the delivery was
recorded. Each of the two is read by its own index, in the order of its own numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Select,
    func,
    literal_column,
    null,
    select,
    union_all,
)

from adapters.sql.database.joins import PAYLOAD
from adapters.sql.database.tables import deliveries, duplicates, events, payloads, rejections
from adapters.sql.queries.union_pages import union_of_pages


class Delivered(NamedTuple):
    """A delivery. `delivery` numbers those without an event (0 for an event); `place` orders all of them."""

    source: str
    delivery: int
    verdict: str
    place: int
    position: int | None
    received_at: int
    recorded_at: int
    status: int
    reason: str | None
    hint: str | None
    size: int | None


class DeliveryKeyset(NamedTuple):
    """The keyset. Items with these or higher numbers were shown, or came after the first page was read."""

    position: int
    delivery: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliveries:
    """A filter of deliveries. `sources` are all names to search; `position` is that of the event with the same key.

    `reason` selects rejections. They have no index, because a source stores a bounded number.
    """

    sources: Sequence[str]
    limit: int
    verdict: str | None = None
    position: int | None = None
    reason: str | None = None
    seen: DeliveryKeyset | None = None


def newest(connection: Connection, asked: Deliveries) -> tuple[list[Delivered], DeliveryKeyset | None]:
    """At most `limit` deliveries, newest first, and the next page's keyset; None if there is none."""
    seen = asked.seen or _top(connection)
    has_events = asked.verdict in {None, "new"} and asked.reason is None
    fresh = _rows(connection, _new(asked, seen), asked) if has_events else []
    others = _rows(connection, _others(asked, seen), asked) if asked.verdict != "new" else []
    ordered = merge(fresh, others, key=attrgetter("place", "delivery"), reverse=True)
    rows = list(islice(ordered, asked.limit + 1))
    page = rows[: asked.limit]
    return page, _following(page, seen) if len(rows) > len(page) else None


def duplicates_of(source: str, position: int) -> CompoundSelect[Any]:
    """The stored ones and those that are only counted."""
    kept, counted = deliveries.c, duplicates.c
    listed = select(func.count()).where(kept.source == source, kept.position == position, kept.verdict == "duplicate")
    others = select(counted.times).where(counted.source == source, counted.position == position)
    return union_all(listed, others)


class Refusals(NamedTuple):
    """A source's rejections for one reason. `hint` is that of the newest, while it is stored."""

    source: str
    reason: str
    times: int
    first_at: int
    last_at: int
    hint: str | None


def refusals(connection: Connection, source: str) -> list[Refusals]:
    """A source's rejections by reason: the stored ones, which are bounded, and those that are only counted."""
    table, counted = deliveries.c, rejections.c
    found: dict[str, Refusals] = {}
    for row in connection.execute(select(rejections).where(counted.source == source)):
        found[row.reason] = Refusals(source, row.reason, row.times, row.first_at, row.last_at, None)
    kept = select(
        func.coalesce(table.reason, ""), func.count(), func.min(table.received_at), func.max(table.received_at)
    )
    kept = kept.add_columns(func.max(table.delivery)).where(table.source == source, table.verdict == "rejected")
    on_record = connection.execute(kept.group_by(table.reason)).all()
    newest_of = select(table.delivery, table.hint).where(
        table.source == source, table.delivery.in_([row[-1] for row in on_record])
    )
    hints = dict(map(tuple, connection.execute(newest_of))) if on_record else {}
    for reason, times, first_at, last_at, delivery in on_record:
        before = found.get(reason, Refusals(source, reason, 0, first_at, last_at, None))
        latest = max(before.last_at, last_at)
        found[reason] = before._replace(times=before.times + times, last_at=latest, hint=hints[delivery])
    return sorted(found.values(), key=attrgetter("last_at"), reverse=True)


def _following(page: Sequence[Delivered], seen: DeliveryKeyset) -> DeliveryKeyset:
    positions = [row.place for row in page if row.verdict == "new"]
    numbers = [row.delivery for row in page if row.verdict != "new"]
    return DeliveryKeyset(min(positions, default=seen.position), min(numbers, default=seen.delivery))


def _top(connection: Connection) -> DeliveryKeyset:
    position = select(func.coalesce(func.max(events.c.position), 0) + 1).scalar_subquery()
    delivery = select(func.coalesce(func.max(deliveries.c.delivery), 0) + 1).scalar_subquery()
    return DeliveryKeyset._make(connection.execute(select(position, delivery)).one())


def _rows(connection: Connection, arm: "_Arm", asked: Deliveries) -> list[Delivered]:
    """The newest rows of all sources, one source at a time because the indexes begin with the source."""
    if not asked.sources:
        return []
    newest_of = arm.query.order_by(arm.number.desc()).limit(asked.limit + 1)
    arms = [newest_of.where(arm.source == name) for name in asked.sources]
    found = union_of_pages(arms, "-place", "-delivery", limit=asked.limit + 1)
    return [Delivered._make(row) for row in connection.execute(found)]


class _Arm(NamedTuple):
    query: Select[Any]
    source: ColumnElement[str]
    number: ColumnElement[int]


def _new(asked: Deliveries, seen: DeliveryKeyset) -> _Arm:
    query = (
        select(
            *(events.c.source, _constant("0", "delivery"), _constant("'new'", "verdict")),
            *(events.c.position.label("place"), events.c.position, events.c.received_at, events.c.recorded_at),
            *(_constant("200", "status"), null().label("reason"), null().label("hint")),
            func.length(payloads.c.body).label("size"),
        )
        .outerjoin_from(events, payloads, PAYLOAD)
        .where(events.c.position < seen.position)
    )
    if asked.position is not None:
        query = query.where(events.c.position == asked.position)
    return _Arm(query, events.c.source, events.c.position)


def _others(asked: Deliveries, seen: DeliveryKeyset) -> _Arm:
    table = deliveries.c
    query = select(
        *(table.source, table.delivery, table.verdict, table.head.label("place"), table.position),
        *(table.received_at, table.recorded_at, table.status, table.reason, table.hint, table.size),
    ).where(table.delivery < seen.delivery)
    if asked.verdict is not None:
        query = query.where(table.verdict == asked.verdict)
    if asked.reason is not None:
        query = query.where(table.verdict == "rejected", table.reason == asked.reason)
    if asked.position is not None:
        query = query.where(table.position == asked.position)
    return _Arm(query, table.source, table.delivery)


def _constant(sql: str, name: str) -> ColumnElement[Any]:
    return literal_column(sql).label(name)
