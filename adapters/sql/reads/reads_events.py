"""Statements on the event log: the feed, one event, its body, a stream's history."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, select

from adapters.sql.database.tables import MISREAD, events, payloads, streams
from adapters.sql.reads.union_pages import union_of_pages

HEAD = select(func.coalesce(func.max(events.c.position), 0))


class Recorded(NamedTuple):
    """An event. `kind` and `provider_id` are those of its stream, None without one. `type` is the type as sent.

    `origin`: JSON, where it was taken from another log.
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


_USUAL = frozenset({None, "ok"})
_PAYLOAD = and_(payloads.c.source == events.c.source, payloads.c.position == events.c.position)

_EVENTS = (
    select(
        *(events.c.position, events.c.source, events.c.stream, events.c.reading, events.c.type),
        func.coalesce(events.c.type, payloads.c.type).label("sent"),
        *(events.c.sequence, events.c.occurred_at, events.c.received_at, events.c.recorded_at),
        *(events.c.key, events.c.verified_by, streams.c.kind, streams.c.provider_id, payloads.c.origin),
    )
    .outerjoin_from(events, payloads, _PAYLOAD)
    .outerjoin(streams, and_(streams.c.source == events.c.source, streams.c.stream == events.c.stream))
)


def list_events(after: int, limit: int, source: str | None, reading: str | None = None) -> Select[Any]:
    """Columns of Recorded, of all sources and readings or of one.

    Few are misread: the index over these is the one to use, not that of the source, and so its name is hidden from it.
    """
    query = _behind(after, limit, reading)
    if source is None:
        return query
    return query.where((events.c.source if reading in _USUAL else events.c.source.concat("")) == source)


def _behind(after: int, limit: int, reading: str | None) -> Select[Any]:
    query = _EVENTS.where(events.c.position > after).order_by(events.c.position).limit(limit)
    if reading is not None:
        query = query.where(events.c.reading == reading)
    return query if reading in _USUAL else query.where(MISREAD)


def list_stream_events(
    after: int, limit: int, streams: Sequence[tuple[str, str]], reading: str | None = None
) -> Select[Any]:
    """Columns of Recorded, of these (source, stream). A stream at a time, because that is how the index is ordered."""
    first = _behind(after, limit, reading)
    arms = [first.where(*of_stream(source, stream)) for source, stream in streams]
    return union_of_pages(arms, "position", limit=limit)


def of_stream(source: str, stream: str) -> tuple[ColumnElement[bool], ...]:
    """An event carries the position that opened its stream: the index is ordered by it.

    The condition on the position is always true; without it SQLite walks the primary key, all events of the source.
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
        .join_from(events, payloads, _PAYLOAD)
        .where(events.c.position == position)
    )


def one_body(position: int) -> Select[Any]:
    """The raw body, found through the event: payloads are keyed by source first."""
    return select(payloads.c.body).join_from(events, payloads, _PAYLOAD).where(events.c.position == position)
