"""Statements on what the log held at an earlier position: streams by their opening, histories, repeated keys."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Select, and_, func, literal_column, or_, select

from adapters.sql.erased import Base
from adapters.sql.tables import deliveries, erased, events, payloads, retractions, streams
from core.clocks import Clocks
from core.event import Instant


class Named(NamedTuple):
    """A stream, which the log first named at `opened`. `provider_id` is None where it was erased.

    `erased`: the position of the event that tells of its erasure; `measured` and `snapshot` are what is left.
    """

    source: str
    stream: str
    kind: str
    provider_id: str | None
    opened: int
    erased: int | None = None
    measured: bytes | None = None
    snapshot: bytes | None = None

    def base(self) -> Base | None:
        """What is left of an erased stream."""
        if self.erased is None or self.measured is None or self.snapshot is None:
            return None
        return Base(self.erased, msgspec.json.decode(self.measured, type=dict[int, str]), self.snapshot)


class Repeat(NamedTuple):
    """How often the key of the event at `position` came again, by verdict."""

    source: str
    stream: str
    position: int
    verdict: str
    times: int


_PAYLOAD = and_(payloads.c.source == events.c.source, payloads.c.position == events.c.position)
_BASE = and_(erased.c.source == streams.c.source, erased.c.stream == streams.c.stream)
_NAMED = select(
    *(streams.c.source, streams.c.stream, streams.c.kind, streams.c.provider_id, streams.c.opened),
    *(erased.c.position, erased.c.measured, erased.c.snapshot),
).outerjoin_from(streams, erased, _BASE)
_RETRACTED = and_(retractions.c.source == events.c.source, retractions.c.position == events.c.position)
_happened: ColumnElement[Instant] = func.coalesce(events.c.occurred_at, events.c.received_at)
_INDEXED = events.c.position > literal_column("0")
"""Always true; without it SQLite walks the primary key, all events of the source."""


def _up_to(position: int) -> ColumnElement[bool]:
    """The sum keeps SQLite from walking the primary key up to there."""
    return events.c.position + literal_column("0") <= position


def recorded_from(position: int) -> Select[Any]:
    """When the first event at this position or behind it was recorded."""
    query = select(events.c.recorded_at).where(events.c.position >= position)
    return query.order_by(events.c.position).limit(1)


def list_named(
    clocks: Clocks,
    limit: int,
    *,
    kind: str | None,
    sources: Sequence[str],
    before: int | None = None,
    names: Sequence[str] | None = None,
) -> Select[Any]:
    """Columns of Named: the streams that a question can be about, the newest first. `names`: our ids, of any kind."""
    query = _NAMED.where(streams.c.source.in_(sources), streams.c.opened <= clocks.position)
    if kind is not None and names is None:
        query = query.where(streams.c.kind == kind)
    if names is not None:
        query = query.where(streams.c.stream.in_(names))
    if before is not None:
        query = query.where(streams.c.opened < before)
    if clocks.as_of is not None:
        query = query.where(_begun(clocks.as_of, clocks.position))
    return query.order_by(streams.c.opened.desc()).limit(limit)


def _begun(as_of: Instant, position: int) -> ColumnElement[bool]:
    """By then an event of the stream had happened, or the one that first named it."""
    of_stream = and_(events.c.source == streams.c.source, events.c.opened == streams.c.opened, _INDEXED)
    known = and_(events.c.stream == streams.c.stream, _up_to(position))
    own = select(events.c.position).where(of_stream, known, _happened <= as_of)
    first = select(events.c.position).where(events.c.position == streams.c.opened, _happened <= as_of)
    return or_(own.exists(), first.exists())


def histories(named: Sequence[Named], position: int) -> Select[Any]:
    """(source, stream, what `stored.to_event` takes, recorded_at, retracted) of these streams' events, in order.

    `retracted`: the position of the event that took it back, where that was known at the position too.

    A position opens streams of one source alone: pairs of source and `opened` that do not belong together find nothing.
    """
    taken = (events.c.position, events.c.key, events.c.type, events.c.received_at, events.c.verified_by)
    told = (events.c.recorded_at, retractions.c.retraction)
    return (
        select(events.c.source, events.c.stream, *taken, payloads.c.body, *told)
        .outerjoin_from(events, payloads, _PAYLOAD)
        .outerjoin(retractions, and_(_RETRACTED, retractions.c.retraction <= position))
        .where(*_of(named), _up_to(position))
        .order_by(events.c.position)
    )


def repeats(named: Sequence[Named], clocks: Clocks) -> Select[Any]:
    """Columns of Repeat: deliveries that were no event of their own, by the event whose key they had."""
    same = and_(deliveries.c.source == events.c.source, deliveries.c.position == events.c.position)
    what = (events.c.source, events.c.stream, events.c.position, deliveries.c.verdict)
    query = select(*what, func.count()).join_from(events, deliveries, same).where(*_of(named))
    query = query.where(_up_to(clocks.position), deliveries.c.head <= clocks.position)
    if clocks.as_of is not None:
        query = query.where(_happened <= clocks.as_of)
    if clocks.recorded_at is not None:
        query = query.where(deliveries.c.recorded_at <= clocks.recorded_at)
    return query.group_by(*what)


def _of(named: Sequence[Named]) -> tuple[ColumnElement[bool], ...]:
    sources = sorted({one.source for one in named})
    return (
        events.c.source.in_(sources),
        events.c.opened.in_([one.opened for one in named]),
        events.c.stream.in_([one.stream for one in named]),
        _INDEXED,
    )
