"""Statements on the event log: the feed, one event, its body, a stream's history."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select

from adapters.sql.database.joins import PAYLOAD, STREAM
from adapters.sql.database.tables import MISREAD, events, payloads, streams
from adapters.sql.log.own_events import OWN
from adapters.sql.queries.union_pages import union_of_pages

EXAMINED = 20_000
"""The most events examined for a page without a fitting index, however few match."""


class Recorded(NamedTuple):
    """An event. `kind` and `provider_id` are its stream's, None without one. `type` is as sent.

    `origin` is JSON if it was imported from another log. `own` is the body of an event of our own, except handlers'
    outcomes, of which there is one per delivery.
    """

    position: int
    source: str
    stream: str | None
    reading: str
    documented: str | None
    type: str | None
    sequence: int | None
    occurred_at: int | None
    received_at: int
    recorded_at: int
    key: bytes
    verified_by: str | None
    kind: str | None
    provider_id: str | None
    origin: bytes | None
    own: bytes | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedEvents:
    """A filter of events after a position. None: no condition. `upto` is the last position to examine.

    `streams` are pairs (source, our id). `type` is as sent.
    """

    after: int
    limit: int
    upto: int | None = None
    sources: Sequence[str] | None = None
    streams: Sequence[tuple[str, str]] | None = None
    reading: str | None = None
    type: str | None = None


_USUAL = frozenset({None, "ok"})

_sent = func.coalesce(events.c.type, payloads.c.type)
_EVENTS = (
    select(
        *(events.c.position, events.c.source, events.c.stream, events.c.reading, events.c.type),
        _sent.label("sent"),
        *(events.c.sequence, events.c.occurred_at, events.c.received_at, events.c.recorded_at),
        *(events.c.key, events.c.verified_by, streams.c.kind, streams.c.provider_id, payloads.c.origin),
        case((and_(events.c.source == OWN, events.c.type != "forwarded"), payloads.c.body)).label("own"),
    )
    .outerjoin_from(events, payloads, PAYLOAD)
    .outerjoin(streams, STREAM)
)


def list_events(wanted: WantedEvents) -> Select[Any]:
    """Columns of Recorded, by position."""
    query = _found(_EVENTS, wanted)
    if wanted.upto is not None:
        query = query.where(events.c.position <= wanted.upto)
    if wanted.type is not None:
        query = query.where(or_(events.c.type == wanted.type, events.c.type.is_(None)), _sent == wanted.type)
    return _merged(query, wanted, wanted.limit)


def last_examined(wanted: WantedEvents) -> Select[Any] | None:
    """The last position that a page may examine; None if an index fits the filter."""
    if wanted.type is None:
        return None
    return _merged(_found(select(events.c.position), wanted), wanted, EXAMINED).limit(1).offset(EXAMINED - 1)


def _found(columns: Select[Any], wanted: WantedEvents) -> Select[Any]:
    """The events found by indexes, by position."""
    query = columns.where(events.c.position > wanted.after).order_by(events.c.position)
    if wanted.reading is not None:
        query = query.where(events.c.reading == wanted.reading)
    return query if wanted.reading in _USUAL else query.where(MISREAD)


def _merged(query: Select[Any], wanted: WantedEvents, limit: int) -> Select[Any]:
    """The selects for each named stream or source, because the indexes begin with them.

    For misread events, which are few, their partial index must be used: the condition on the source is hidden from its
    index.
    """
    if wanted.streams is not None:
        places = [of_stream(source, stream) for source, stream in wanted.streams]
    elif wanted.sources is None:
        return query.limit(limit)
    elif wanted.reading not in _USUAL:
        return query.where(events.c.source.concat("").in_(wanted.sources)).limit(limit)
    else:
        places = [(events.c.source == source,) for source in wanted.sources]
    if len(places) == 1:
        return query.where(*places[0]).limit(limit)
    return union_of_pages([query.where(*place).limit(limit) for place in places], "position", limit=limit)


def of_stream(source: str, stream: str) -> tuple[ColumnElement[bool], ...]:
    """A stream's events, by the index on the position that opened the stream.

    The condition on the position is always true. Without it SQLite scans the primary key: all events of the source.
    """
    opened = select(streams.c.opened).where(streams.c.source == source, streams.c.stream == stream).scalar_subquery()
    return events.c.source == source, events.c.opened == opened, events.c.stream == stream, events.c.position > 0


def one_event(position: int) -> Select[Any]:
    """Columns of Recorded."""
    return _EVENTS.where(events.c.position == position)


def one_request(position: int) -> Select[Any]:
    """The packed headers and the raw body of an event."""
    return (
        select(payloads.c.headers, payloads.c.body)
        .join_from(events, payloads, PAYLOAD)
        .where(events.c.position == position)
    )


def erasure_of(position: int) -> Select[Any]:
    """The position of the event that records the erasure of an event's payload."""
    return select(payloads.c.erased).join_from(events, payloads, PAYLOAD).where(events.c.position == position)


def one_body(position: int) -> Select[Any]:
    """The raw body, found through the event: payloads are keyed by source first."""
    return select(payloads.c.body).join_from(events, payloads, PAYLOAD).where(events.c.position == position)
