"""Reads the whole log for an export by position, in chunks, so that memory use is constant."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import starmap
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import ColumnElement, Engine, Select, and_, func, literal_column, select

from adapters.sql.database.errors import our_errors
from adapters.sql.database.joins import HEAD, PAYLOAD, RETRACTION, STREAM
from adapters.sql.database.tables import (
    conflicts,
    deliveries,
    duplicates,
    erased,
    events,
    payloads,
    retractions,
    service,
    streams,
)
from adapters.sql.dialects.dialect import Row
from adapters.sql.log.own_events import OWN
from adapters.sql.projections.erased import Base

CHUNK = 256
"""Rows per statement. A body may have 256 KiB."""


STREAMS = 32
"""Streams whose events are read in one statement if they are few: at most this many chunks."""

CHUNKS = 2


class ExportedEvent(NamedTuple):
    """An event with everything stored about it, its headers packed. `headers`, `body` and `salt` are None once erased.

    `times`, `head` and `counted_at` are those of its counted duplicates; the fields that begin with `other` and `first`
    are those of its counted conflicts.
    """

    position: int
    source: str
    stream: str | None
    opened: int | None
    reading: str
    type: str | None
    sequence: int | None
    occurred_at: int | None
    received_at: int
    recorded_at: int
    key: bytes
    verified_by: str | None
    leaf: bytes
    sent: str | None
    headers: bytes | None
    body: bytes | None
    salt: bytes | None
    origin: bytes | None
    commitment: bytes | None
    erased: int | None
    retracted: int | None
    kind: str | None
    provider_id: str | None
    times: int | None
    head: int | None
    counted_at: int | None
    other_times: int | None
    other_head: int | None
    other_at: int | None
    first_head: int | None
    first_at: int | None

    @property
    def duplicates(self) -> tuple[int, int, int] | None:
        """Their number, and head and recorded_at of the last one."""
        if self.times is None or self.head is None or self.counted_at is None:
            return None
        return self.times, self.head, self.counted_at

    @property
    def conflicts(self) -> tuple[int, int, int, int, int] | None:
        """The same, and head and recorded_at of the first one."""
        times, head, at = self.other_times, self.other_head, self.other_at
        if times is None or head is None or at is None or self.first_head is None or self.first_at is None:
            return None
        return times, head, at, self.first_head, self.first_at


class ExportedDelivery(msgspec.Struct, gc=False):
    """A delivery that made no event. `key` is that of the event that it duplicates or contradicts."""

    source: str
    delivery: int
    verdict: str
    head: int
    key: bytes | None
    received_at: int
    recorded_at: int
    status: int
    reason: str | None
    hint: str | None
    size: int
    headers: bytes | None
    body: bytes | None


class ExportedStream(NamedTuple):
    """A stream, the position that first named it, and its events by position, as `to_event` takes them. Iterate once.

    Only foldable events: none that was erased or retracted. `base` is the remainder of an erased stream. `conflicts`
    are the positions of events with conflicts.
    """

    source: str
    stream: str
    kind: str
    provider_id: str | None
    opened: int
    base: Base | None
    events: Iterable[Row]
    conflicts: list[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The selected part of the log. None: no condition. `since` and `until` are a half-open interval of the receipt."""

    sources: Sequence[str] | None = None
    streams: Sequence[tuple[str, str]] | None = None
    since: int | None = None
    until: int | None = None
    own: bool = False

    @property
    def whole(self) -> bool:
        """Whether only Hookfold's own entries are left out."""
        return (self.sources, self.streams, self.since, self.until) == (None, None, None, None)


_Name = tuple[str, str | None]
"""(source, stream)."""


class Extent(NamedTuple):
    """The extent of the log at the time of the query."""

    position: int
    delivery: int


_AGAIN = and_(duplicates.c.source == events.c.source, duplicates.c.position == events.c.position)
_DISPUTED = and_(conflicts.c.source == events.c.source, conflicts.c.position == events.c.position)
_ERASED = and_(erased.c.source == streams.c.source, erased.c.stream == streams.c.stream)
_HELD = and_(events.c.source == deliveries.c.source, events.c.position == deliveries.c.position)

_EVENTS = (
    select(
        *(events.c[name] for name in ExportedEvent._fields[:13]),
        *(payloads.c.type.label("sent"), payloads.c.headers, payloads.c.body, payloads.c.salt, payloads.c.origin),
        *(payloads.c.commitment, payloads.c.erased, retractions.c.retraction),
        *(streams.c.kind, streams.c.provider_id),
        *(duplicates.c.times, duplicates.c.head, duplicates.c.recorded_at.label("counted_at")),
        *(conflicts.c.times.label("other_times"), conflicts.c.head.label("other_head")),
        *(conflicts.c.recorded_at.label("other_at"), conflicts.c.first_head),
        conflicts.c.first_recorded_at.label("first_at"),
    )
    .outerjoin_from(events, payloads, PAYLOAD)
    .outerjoin(retractions, RETRACTION)
    .outerjoin(streams, STREAM)
    .outerjoin(duplicates, _AGAIN)
    .outerjoin(conflicts, _DISPUTED)
)
_DELIVERIES = select(
    *(deliveries.c.source, deliveries.c.delivery, deliveries.c.verdict, deliveries.c.head, events.c.key),
    *(deliveries.c[name] for name in ExportedDelivery.__struct_fields__[5:]),
).outerjoin_from(deliveries, events, _HELD)
_HISTORY = (
    select(
        *(events.c.source, events.c.stream),
        *(events.c.position, events.c.key, events.c.type, events.c.received_at, events.c.verified_by, payloads.c.body),
    )
    .join_from(events, payloads, PAYLOAD)
    .outerjoin(retractions, RETRACTION)
    .where(payloads.c.body.is_not(None), retractions.c.position.is_(None))
)
_STREAMS: Select[Any] = select(
    *(streams.c[name] for name in ExportedStream._fields[:5]), erased.c.position, erased.c.measured, erased.c.snapshot
).outerjoin_from(streams, erased, _ERASED)
_CONFLICTS = (
    select(events.c.source, events.c.stream, events.c.position)
    .join_from(events, deliveries, _HELD)
    .where(deliveries.c.verdict == "conflict")
    .distinct()
)
_COUNTED_CONFLICTS = select(events.c.source, events.c.stream, events.c.position).join_from(events, conflicts, _DISPUTED)
_EXTENT = select(
    HEAD.scalar_subquery(),
    select(func.coalesce(func.max(deliveries.c.delivery), 0)).scalar_subquery(),
)
_PROVIDERS = select(service.c.name, service.c.value).where(service.c.name.startswith("source:", autoescape=True))


class ExportReader:
    """The reader of an export. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def extent(self) -> Extent:
        """The log's present extent. Later entries are not read."""
        return Extent._make(self._rows(_EXTENT)[0])

    def providers(self) -> dict[str, str]:
        """The provider of each source that was ever configured."""
        return {name.removeprefix("source:"): value for name, value in self._rows(_PROVIDERS)}

    def has_any(self, chosen: Sequence[tuple[str, str]]) -> bool:
        """Whether any of these (source, stream) is in the log, erased or not."""
        sources, names = [source for source, _ in chosen], [stream for _, stream in chosen]
        query = select(streams.c.stream).where(streams.c.source.in_(sources), streams.c.stream.in_(names))
        return bool(self._rows(query.limit(1)))

    def events(self, chosen: Selection, extent: Extent) -> Iterator[ExportedEvent]:
        """The chosen events by position."""
        number = events.c.position
        query = _chosen(_EVENTS.where(number <= extent.position), events, chosen).order_by(number).limit(CHUNK)
        for rows in self._chunks(query, number, 0):
            yield from map(ExportedEvent._make, rows)

    def deliveries(self, chosen: Selection, extent: Extent) -> Iterator[ExportedDelivery]:
        """The chosen deliveries that made no event, by number."""
        number = deliveries.c.delivery
        query = _chosen(_DELIVERIES.where(number <= extent.delivery), deliveries, chosen).order_by(number).limit(CHUNK)
        for rows in self._chunks(query, number, 1):
            yield from starmap(ExportedDelivery, rows)

    def streams(self, chosen: Selection, kind: str, extent: Extent) -> Iterator[ExportedStream]:
        """The chosen streams of a kind, in the order in which the log first named them."""
        query = _STREAMS.where(streams.c.kind == kind, streams.c.opened <= extent.position)
        for found in self._in_order(_chosen_streams(query, chosen)):
            yield from self._with_events(found, extent)

    def erased(self, chosen: Selection, extent: Extent) -> Iterator[ExportedStream]:
        """The remainders of the chosen streams that were erased, without events, in the same order."""
        for found in self._in_order(_chosen_streams(_STREAMS.where(erased.c.position <= extent.position), chosen)):
            yield from found

    def _in_order(self, query: Select[Any]) -> Iterator[list[ExportedStream]]:
        query = query.order_by(streams.c.opened, streams.c.stream).limit(STREAMS)
        rows = self._rows(query)
        while rows:
            yield [_stream(row) for row in rows]
            rows = self._rows(query.where(_behind(rows[-1].opened, rows[-1].stream)))

    def _with_events(self, found: list[ExportedStream], extent: Extent) -> Iterator[ExportedStream]:
        few = self._events_of(found, extent)
        hit = self._conflicts_of(found, extent)
        for one in found:
            named = (one.source, one.stream)
            yield one._replace(events=few[named] if few is not None else self._long(one, extent), conflicts=hit[named])

    def _events_of(self, found: list[ExportedStream], extent: Extent) -> dict[_Name, list[Row]] | None:
        """The events of several streams; None if they are too many to hold at once."""
        query = _HISTORY.where(*_of(found, extent)).order_by(events.c.position)
        rows = self._rows(query.limit(CHUNKS * CHUNK + 1))
        return None if len(rows) > CHUNKS * CHUNK else _by_name(rows)

    def _long(self, one: ExportedStream, extent: Extent) -> Iterator[Row]:
        """The events of one stream, a chunk at a time."""
        query = _HISTORY.where(*_of([one], extent), events.c.stream == one.stream)
        for rows in self._chunks(query.order_by(events.c.position).limit(CHUNK), events.c.position, 2):
            yield from (tuple(row[2:]) for row in rows)

    def _conflicts_of(self, found: list[ExportedStream], extent: Extent) -> dict[_Name, list[int]]:
        on_record = _CONFLICTS.where(*_of(found, extent), deliveries.c.delivery <= extent.delivery)
        counted = _COUNTED_CONFLICTS.where(*_of(found, extent), conflicts.c.first_head <= extent.position)
        hit = _by_name([*self._rows(on_record), *self._rows(counted)])
        return defaultdict(list, {named: sorted({position for (position,) in rows}) for named, rows in hit.items()})

    def _chunks(self, query: Select[Any], number: Any, place: int) -> Iterator[Sequence[Any]]:
        """Yields chunks. `number` is the column that orders the rows, `place` its index in a row."""
        rows = self._rows(query)
        while rows:
            yield rows
            rows = self._rows(query.where(number > rows[-1][place])) if len(rows) == CHUNK else []

    def _rows(self, statement: Select[Any]) -> Sequence[Any]:
        with our_errors(), self._engine.connect() as connection:
            return connection.execute(statement).all()


def _chosen(query: Select[Any], table: Any, chosen: Selection) -> Select[Any]:
    if chosen.sources is not None:
        query = query.where(table.c.source.in_(chosen.sources))
    if not chosen.own:
        query = query.where(table.c.source != OWN)
    if chosen.streams is not None:
        query = query.where(events.c.stream.in_([stream for _, stream in chosen.streams]))
        query = query.where(events.c.source.in_([source for source, _ in chosen.streams]))
        query = query.where(events.c.opened.in_(_openings(chosen.streams)))
    if chosen.since is not None:
        query = query.where(table.c.received_at >= chosen.since)
    return query if chosen.until is None else query.where(table.c.received_at < chosen.until)


def _chosen_streams(query: Select[Any], chosen: Selection) -> Select[Any]:
    """The streams with an event received in the chosen interval."""
    if chosen.sources is not None:
        query = query.where(streams.c.source.in_(chosen.sources))
    if chosen.streams is not None:
        query = query.where(streams.c.stream.in_([stream for _, stream in chosen.streams]))
    if chosen.since is None and chosen.until is None:
        return query
    received = events.c.received_at
    within = [received >= chosen.since] if chosen.since is not None else []
    within += [received < chosen.until] if chosen.until is not None else []
    own = and_(events.c.opened == streams.c.opened, events.c.position > literal_column("0"))
    return query.where(select(events.c.position).where(STREAM, own, *within).exists())


def _stream(row: Any) -> ExportedStream:
    source, stream, kind, provider_id, opened, position, measured, snapshot = row
    base = None if position is None else Base(position, msgspec.json.decode(measured, type=dict[int, str]), snapshot)
    return ExportedStream(source, stream, kind, provider_id, opened, base, [], [])


def _by_name(rows: Sequence[Any]) -> dict[_Name, list[Row]]:
    """Groups rows by their first two columns (source, stream); each value holds the remaining columns."""
    found = defaultdict[_Name, list[Row]](list)
    for source, stream, *row in rows:
        found[source, stream].append(tuple(row))
    return found


def _behind(opened: int, stream: str) -> ColumnElement[bool]:
    """The condition for streams after one. Two streams may have the same `opened`: then the id decides."""
    same = and_(streams.c.opened == opened, streams.c.stream > stream)
    return (streams.c.opened > opened) | same


def _of(found: Sequence[ExportedStream], extent: Extent) -> list[ColumnElement[bool]]:
    """The conditions for the streams' events, by the position that opened each stream.

    The lower bound is always true; without it SQLite scans all events of the source.
    """
    sources, opened = sorted({one.source for one in found}), sorted({one.opened for one in found})
    number = events.c.position
    return [events.c.source.in_(sources), events.c.opened.in_(opened), number > 0, number <= extent.position]


def _openings(chosen: Sequence[tuple[str, str]]) -> Any:
    """Each event has the position that opened its stream, by which the index is ordered."""
    names = [stream for _, stream in chosen]
    return select(streams.c.opened).where(streams.c.source.in_([one for one, _ in chosen]), streams.c.stream.in_(names))
