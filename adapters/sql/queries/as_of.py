"""Statements on the log as of an earlier position: streams by opening, histories, repeated deliveries."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    CompoundSelect,
    Select,
    Table,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from adapters.sql.database.tables import (
    conflicts,
    deliveries,
    duplicates,
    erased,
    events,
    payloads,
    retractions,
    streams,
)
from adapters.sql.dialects.dialect import Lookup
from adapters.sql.projections.erased import Base
from core.clocks import Clocks
from core.event import Instant
from core.ordering.order import OUTCOMES


class StreamRow(NamedTuple):
    """A stream, first named at the position `opened`. `provider_id` is None if it was erased.

    `named_at` is when the event happened that first named it, possibly an event of another stream. `erased` is the
    position of the event that records its erasure; `measured` and `snapshot` are what was kept.
    """

    source: str
    stream: str
    kind: str
    provider_id: str | None
    opened: int
    named_at: Instant | None = None
    erased: int | None = None
    measured: bytes | None = None
    snapshot: bytes | None = None

    def base(self) -> Base | None:
        """What was kept of an erased stream."""
        if self.erased is None or self.measured is None or self.snapshot is None:
            return None
        return Base(self.erased, msgspec.json.decode(self.measured, type=dict[int, str]), self.snapshot)


class Repeat(NamedTuple):
    """How often the event at `position` was delivered again, by verdict."""

    position: int
    verdict: str
    times: int


_PAYLOAD = and_(payloads.c.source == events.c.source, payloads.c.position == events.c.position)
_BASE = and_(erased.c.source == streams.c.source, erased.c.stream == streams.c.stream)
_RETRACTED = and_(retractions.c.source == events.c.source, retractions.c.position == events.c.position)

CAME_AGAIN = " OR ".join(
    f"(SELECT 1 FROM {table} d WHERE d.source = t.source AND d.position = t.position LIMIT 1) IS NOT NULL"
    for table in ("deliveries", "duplicates", "conflicts")
)
"""Whether an event `t` was delivered again. `repeats` is queried only for these few."""

PLACES = Lookup(
    f"t.position, t.stream, coalesce(t.occurred_at, t.received_at), {CAME_AGAIN}",
    events,
    ("source", "opened", "stream"),
    index="ix_events_source_opened_position",
)
"""For streams by (source, opened, our id): each event's position, our id, its time, and `CAME_AGAIN`."""

HISTORY = Lookup(
    "t.stream, t.position, t.key, t.type, t.received_at, t.verified_by, p.body, "
    "t.recorded_at, r.retraction, t.sequence, t.occurred_at",
    events,
    ("source", "opened", "stream"),
    " LEFT JOIN payloads p ON p.source = t.source AND p.position = t.position"
    " LEFT JOIN retractions r ON r.source = t.source AND r.position = t.position",
    index="ix_events_source_opened_position",
)
"""Our id of the stream, and the columns of `stored_events`."""

_FIRST = events.alias()
_NAMED_AT = (
    select(func.coalesce(_FIRST.c.occurred_at, _FIRST.c.received_at))
    .where(_FIRST.c.position == streams.c.opened)
    .scalar_subquery()
)
_NAMED = select(
    *(streams.c.source, streams.c.stream, streams.c.kind, streams.c.provider_id, streams.c.opened),
    _NAMED_AT,
    *(erased.c.position, erased.c.measured, erased.c.snapshot),
).outerjoin_from(streams, erased, _BASE)


def _position_at() -> Select[Any]:
    """The last position recorded by a time; 0 if there is none. `recorded_at` ascends with the position.

    A binary search in one statement, which reads one event per step.
    """
    recorded_at: BindParameter[Instant] = bindparam("recorded_at", type_=BigInteger)
    head = func.coalesce(func.max(events.c.position), 0)
    search = select(cast(0, BigInteger).label("below"), head.label("above")).cte("search", recursive=True)
    middle = (search.c.below + search.c.above + 1) // 2
    at = select(events.c.recorded_at).where(events.c.position >= middle).order_by(events.c.position).limit(1)
    had_been = at.scalar_subquery() <= recorded_at
    below, above = case((had_been, middle), else_=search.c.below), case((had_been, search.c.above), else_=middle - 1)
    search = search.union_all(select(below, above).where(search.c.below < search.c.above))
    return select(search.c.below).where(search.c.below == search.c.above)


POSITION_AT = _position_at()
"""Compiled once, because every query about the past uses it, some ten times per page."""


def last_of(source: str, position: int) -> Select[Any]:
    """(position, received_at, occurred_at) of the last event of a source's sender up to a position.

    Events of handlers' outcomes, which belong to the source too, do not count.
    """
    sent = or_(events.c.type.is_(None), events.c.type.not_in(sorted(OUTCOMES)))
    query = select(events.c.position, events.c.received_at, events.c.occurred_at)
    query = query.where(events.c.source == source, events.c.position <= position, sent)
    return query.order_by(events.c.position.desc()).limit(1)


def list_named(
    clocks: Clocks,
    limit: int,
    *,
    kind: str | None,
    sources: Sequence[str],
    before: int | None = None,
    names: Sequence[str] | None = None,
    floor: int | None = None,
    but: ColumnElement[bool] | None = None,
) -> Select[Any]:
    """The columns of StreamRow, for the streams opened by the query's position, the newest first.

    `before` (exclusive) and `floor` (inclusive) bound the opening position. `names` selects streams by our ids.
    `but` is a condition that excludes streams.
    """
    query = _NAMED.where(streams.c.source.in_(sources), streams.c.opened <= clocks.position)
    if kind is not None and names is None:
        query = query.where(streams.c.kind == kind)
    if names is not None:
        query = query.where(streams.c.stream.in_(names))
    if before is not None:
        query = query.where(streams.c.opened < before)
    if floor is not None:
        query = query.where(streams.c.opened >= floor)
    if but is not None:
        query = query.where(~but)
    return query.order_by(streams.c.opened.desc()).limit(limit)


def there_is(table: Table, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """A look-up per row. For EXISTS, PostgreSQL may hash the whole table."""
    found: Select[Any] = select(literal_column("1")).select_from(table).where(*conditions).limit(1)
    return found.scalar_subquery().is_not(None)


def opened_at(kind: str, clocks: Clocks, before: int | None, number: int) -> Select[Any]:
    """The `opened` of the stream of a kind that is number `number` from the newest, from the index alone."""
    query = select(streams.c.opened).where(streams.c.kind == kind, streams.c.opened <= clocks.position)
    if before is not None:
        query = query.where(streams.c.opened < before)
    return query.order_by(streams.c.opened.desc()).limit(1).offset(number - 1)


def stored_events(*known: ColumnElement[bool]) -> Select[Any]:
    """The arguments of `stored_events.to_event`, then recorded_at, retraction, sequence, occurred_at.

    `known` are the conditions on which retractions count.
    """
    taken = (events.c.position, events.c.key, events.c.type, events.c.received_at, events.c.verified_by)
    told = (events.c.recorded_at, retractions.c.retraction, events.c.sequence, events.c.occurred_at)
    return (
        select(*taken, payloads.c.body, *told)
        .outerjoin_from(events, payloads, _PAYLOAD)
        .outerjoin(retractions, and_(_RETRACTED, *known))
        .order_by(events.c.position)
    )


def repeats(source: str, at: Sequence[int], clocks: Clocks) -> CompoundSelect[Any]:
    """(position, verdict, times): repeated deliveries of a source's events at these positions.

    A position has two rows if some are only counted. Counted duplicates count as known from the last of them on. Of
    counted conflicts, one is known from the first of them on, and all from the last.
    """
    what = (deliveries.c.position, deliveries.c.verdict)
    kept = select(*what, func.count()).where(*_hit(deliveries, source, at, clocks)).group_by(*what)
    counted = select(duplicates.c.position, literal("duplicate"), duplicates.c.times)
    others = conflicts.c
    times = case((and_(*_known(others.head, others.recorded_at, clocks)), others.times), else_=1)
    begun = (others.source == source, others.position.in_(at))
    known = _known(others.first_head, others.first_recorded_at, clocks)
    return union_all(
        kept,
        counted.where(*_hit(duplicates, source, at, clocks)),
        select(others.position, literal("conflict"), times).where(*begun, *known),
    )


def _hit(table: Table, source: str, at: Sequence[int], clocks: Clocks) -> list[ColumnElement[bool]]:
    known = _known(table.c.head, table.c.recorded_at, clocks)
    return [table.c.source == source, table.c.position.in_(at), *known]


def _known(head: ColumnElement[int], recorded_at: ColumnElement[int], clocks: Clocks) -> list[ColumnElement[bool]]:
    since = [] if clocks.recorded_at is None else [recorded_at <= clocks.recorded_at]
    return [head <= clocks.position, *since]
