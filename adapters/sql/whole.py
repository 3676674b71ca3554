"""Reads the log from end to end, for an export: by position, a chunk at a time, so that memory stays flat."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Engine, Select, and_, func, literal_column, select

from adapters.sql.dialects import Row
from adapters.sql.errors import our_errors
from adapters.sql.own import OWN
from adapters.sql.tables import deliveries, events, payloads, service, streams

CHUNK = 256
"""Rows of one statement: a body may be 256 KiB."""


class WholeEvent(NamedTuple):
    """An event with all that is stored of it. `headers`, `body` and `salt` are None once they were erased."""

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
    kind: str | None
    provider_id: str | None


class WholeDelivery(NamedTuple):
    """A delivery that made no event. `key` is that of the event that it hit."""

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


class OpenedStream(NamedTuple):
    """A stream and the position that first named it."""

    source: str
    stream: str
    kind: str
    provider_id: str | None
    opened: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What of the log is wanted. None: all of it. `since` and `until`: the half-open time in which it was received."""

    sources: Sequence[str] | None = None
    streams: Sequence[tuple[str, str]] | None = None
    since: int | None = None
    until: int | None = None
    own: bool = False

    @property
    def whole(self) -> bool:
        """True where nothing but Hookfold's own entries is left out."""
        return (self.sources, self.streams, self.since, self.until) == (None, None, None, None)


class Extent(NamedTuple):
    """How far the log went when it was asked."""

    position: int
    delivery: int


_PAYLOAD = and_(payloads.c.source == events.c.source, payloads.c.position == events.c.position)
_STREAM = and_(streams.c.source == events.c.source, streams.c.stream == events.c.stream)
_HELD = and_(events.c.source == deliveries.c.source, events.c.position == deliveries.c.position)

_EVENTS = (
    select(
        *(events.c[name] for name in WholeEvent._fields[:13]),
        *(payloads.c.type.label("sent"), payloads.c.headers, payloads.c.body, payloads.c.salt, payloads.c.origin),
        *(payloads.c.commitment, payloads.c.erased),
        *(streams.c.kind, streams.c.provider_id),
    )
    .outerjoin_from(events, payloads, _PAYLOAD)
    .outerjoin(streams, _STREAM)
)
_DELIVERIES = select(
    *(deliveries.c.source, deliveries.c.delivery, deliveries.c.verdict, deliveries.c.head, events.c.key),
    *(deliveries.c[name] for name in WholeDelivery._fields[5:]),
).outerjoin_from(deliveries, events, _HELD)
_HISTORY = select(
    *(events.c.position, events.c.key, events.c.type, events.c.received_at, events.c.verified_by, payloads.c.body)
).join_from(events, payloads, _PAYLOAD)
_STREAMS = select(*(streams.c[name] for name in OpenedStream._fields))
_EXTENT = select(
    select(func.coalesce(func.max(events.c.position), 0)).scalar_subquery(),
    select(func.coalesce(func.max(deliveries.c.delivery), 0)).scalar_subquery(),
)
_PROVIDERS = select(service.c.name, service.c.value).where(service.c.name.startswith("source:", autoescape=True))


class Whole:
    """The reader of an export. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def extent(self) -> Extent:
        """How far the log goes now; what comes later is not read."""
        return Extent._make(self._rows(_EXTENT)[0])

    def providers(self) -> dict[str, str]:
        """The provider of each source that was ever configured."""
        return {name.removeprefix("source:"): value for name, value in self._rows(_PROVIDERS)}

    def events(self, chosen: Selection, extent: Extent) -> Iterator[WholeEvent]:
        """The chosen events by position."""
        number = events.c.position
        query = _chosen(_EVENTS.where(number <= extent.position), events, chosen).order_by(number).limit(CHUNK)
        for rows in self._chunks(query, number, 0):
            yield from map(WholeEvent._make, rows)

    def deliveries(self, chosen: Selection, extent: Extent) -> Iterator[WholeDelivery]:
        """The chosen deliveries that made no event, by number."""
        number = deliveries.c.delivery
        query = _chosen(_DELIVERIES.where(number <= extent.delivery), deliveries, chosen).order_by(number).limit(CHUNK)
        for rows in self._chunks(query, number, 1):
            yield from map(WholeDelivery._make, rows)

    def streams(self, chosen: Selection, kind: str, extent: Extent) -> Iterator[OpenedStream]:
        """The chosen streams of a kind, in the order in which the log first named them; two of one position by id."""
        query = _STREAMS.where(streams.c.kind == kind, streams.c.opened <= extent.position).limit(CHUNK)
        query = _chosen_streams(query.order_by(streams.c.opened, streams.c.stream), chosen)
        rows = self._rows(query)
        while rows:
            yield from map(OpenedStream._make, rows)
            last = OpenedStream._make(rows[-1])
            same = and_(streams.c.opened == last.opened, streams.c.stream > last.stream)
            rows = self._rows(query.where((streams.c.opened > last.opened) | same))

    def history(self, one: OpenedStream, extent: Extent) -> list[Row]:
        """Every event of a stream as `to_event` takes it, by position."""
        return [tuple(row) for row in self._rows(_HISTORY.where(*_of(one, extent)).order_by(events.c.position))]

    def conflicts(self, one: OpenedStream, extent: Extent) -> list[int]:
        """The positions of the stream's events whose key came again with another body."""
        of_stream = select(events.c.position).where(*_of(one, extent))
        conflict = and_(deliveries.c.source == one.source, deliveries.c.verdict == "conflict")
        query = select(deliveries.c.position).where(conflict, deliveries.c.position.in_(of_stream)).distinct()
        return sorted(position for (position,) in self._rows(query.where(deliveries.c.delivery <= extent.delivery)))

    def _chunks(self, query: Select[Any], number: Any, place: int) -> Iterator[Sequence[Any]]:
        """Chunk after chunk. `number` is the column that orders the rows, `place` where it stands in a row."""
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
    """Those of which an event was received in the chosen time."""
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
    return query.where(select(events.c.position).where(_STREAM, own, *within).exists())


def _of(one: OpenedStream, extent: Extent) -> list[ColumnElement[bool]]:
    """A stream's events. The lower bound is always kept; without it SQLite walks all events of the source."""
    number = events.c.position
    same = [events.c.source == one.source, events.c.opened == one.opened, events.c.stream == one.stream]
    return [*same, number > 0, number <= extent.position]


def _openings(chosen: Sequence[tuple[str, str]]) -> Any:
    """An event carries the position that opened its stream: the index is ordered by it."""
    names = [stream for _, stream in chosen]
    return select(streams.c.opened).where(streams.c.source.in_([one for one, _ in chosen]), streams.c.stream.in_(names))
