"""`/v1/events`: the log by position. A client that follows positions sees every event exactly once."""

from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import msgspec
from flask import Response, request
from msgspec import UNSET, UnsetType

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.carried import AT_ONCE, TailPage, Wanted, within_bounds
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, page_of
from adapters.http.framework.waiting import carried_of, ending_of, looks
from adapters.http.presenters import shapes
from adapters.http.views.follow import STREAM, FittingRows, Followed, Follower, follow, position_of, tail_events
from adapters.providers import PROVIDERS, spelling_hint
from adapters.sql import OWN, Recorded, Source, Unavailable, WantedEvents, own_source
from core.event import Unreadable, word_of
from core.instants import text_of, utc

routes = Routes()

MOST_TOLD = 10
"""Longer lists in our own events are shown only in the single event."""

_NAMES = {
    "session": "session_id",
    "action": "action_id",
    "device": "device_id",
    "registration": "registration_id",
}
_KIND_WITHOUT_A_STREAM = {"amps": "action"}


@routes.many(Scope.READ, "/v1/events", queries.Events, shapes.Event)
def events(ask: Ask[queries.Events]) -> Listing[shapes.Event]:
    """The feed: events after a position, in the order of recording; `wait` makes it a long-poll."""
    after, limit = _range(ask)
    found = _read(ask.api, wanted_of(ask), after, limit)
    if not found.rows and found.upto is None and ask.query.wait:
        found = _awaited(ask, limit, after, ask.query.wait)
    return _listing(ask, found)


@routes.one(Scope.READ, "/v1/events/stream", queries.Feed, str, **STREAM)
def stream(ask: Ask[queries.Feed]) -> Response:
    """The feed while it grows, as server-sent events: `id` is the position, `data` an `Event` as in the list.

    A comment is sent after 15 seconds of silence. `503` if too many clients wait already, or the database is away.
    """
    read = partial(_read, ask.api)
    return follow(ask, Followed("events", ask.api.reads.head, partial(wanted_of, ask), read, partial(_shapes, ask.api)))


@routes.one(Scope.READ, "/v1/events/{position}", queries.Query, shapes.WholeEvent)
def event(ask: Ask[queries.Query]) -> shapes.WholeEvent:
    """One event, with the fields of its body."""
    recorded = ask.api.reads.event(_position(ask))
    if recorded is None:
        raise NotFound("no such event")
    data, notes = _said(ask.api, recorded)
    again = ask.api.reads.duplicates(OWN, recorded.position) if recorded.source == OWN else UNSET
    erased = ask.api.reads.erased(recorded.position)
    return shapes.WholeEvent(**_fields(ask.api, recorded), data=data, notes=notes, erased=erased, duplicates=again)


@routes.one(Scope.RAW, "/v1/events/{position}/body", queries.Query, None, media="application/octet-stream")
def event_body(ask: Ask[queries.Query]) -> Response:
    """An event's raw body, byte for byte, as a download. The log first records who reads it.

    Reading bodies of one stream is recorded once an hour per reader; that event's `duplicates` count the other times.
    """
    position = _position(ask)
    recorded = ask.api.reads.event(position)
    body = ask.api.reads.body(position) if recorded else None
    if recorded is None or body is None:
        raise NotFound("no such event, or its body was erased")
    if recorded.source != OWN:
        of = {"of": recorded.stream} if recorded.stream else {}
        ask.api.record("body_read", by=ask.who, hourly=recorded.stream or str(position), position=position, **of)
    disposition = f'attachment; filename="event-{position}.bin"'
    return Response(body, headers={"Content-Disposition": disposition}, content_type="application/octet-stream")


def events_of(ask: Ask[Any], streams: Sequence[tuple[str, str]]) -> Listing[shapes.Event]:
    """A page of the events of these (source, our id) after the requested position."""
    after, limit = _range(ask)
    return _listing(ask, _read(ask.api, Wanted(streams=frozenset(streams)), after, limit))


def read_tail(api: Api, after: int) -> TailPage:
    """The next events after a position as messages, for a server that supports `Carried`."""
    rows = _next_of(api, after)
    told = within_bounds(tail_events(rows, partial(_shapes, api)))
    return TailPage(told, more=len(told) < len(rows) or len(rows) == AT_ONCE)


def _next_of(api: Api, after: int) -> Sequence[Recorded]:
    """The next events, read from the replica if there is one and it answers."""
    if api.replica is not None:
        with suppress(Unavailable):
            return read_fitting(api.replica, Wanted(), after)
    return read_fitting(api, Wanted(), after)


def _read(api: Api, wanted: Wanted, after: int, limit: int = AT_ONCE) -> FittingRows:
    """Matching events after a position, as many as a page may examine."""
    sources, streams, reading, kind = wanted
    asked = WantedEvents(
        after=after,
        limit=limit,
        sources=None if sources is None else sorted(sources),
        streams=None if streams is None else sorted(streams),
        reading=reading,
        type=kind,
    )
    return FittingRows(*api.reads.page_of_events(asked))


def wanted_of(ask: Ask[Any]) -> Wanted:
    """The filter of the request, with the present sources."""
    sources = ask.api.asked_of(ask.query.source or None)
    reading, kind = (getattr(ask.query, name, None) or None for name in ("reading", "type"))
    return Wanted(sources, _streams(ask, sources), reading, kind)


def read_fitting(api: Api, wanted: Wanted, after: int, limit: int = AT_ONCE) -> Sequence[Recorded]:
    """Matching events after a position, of any type."""
    return _read(api, wanted, after, limit).rows


def _awaited(ask: Ask[Any], limit: int, after: int, wait: int) -> FittingRows:
    """The same once there are some, or none after the wait. Raises Busy, PutOff."""
    wanted, ending = wanted_of(ask), ending_of(request.environ)
    carried = carried_of(request.environ)
    follower = Follower(ask.api.reads.head, lambda after: _read(ask.api, wanted, after, limit), after)
    if carried is None:
        with ask.api.waiting.slot("wait"):
            pages = (follower.page() for _ in looks(wait, ending=ending))
            found = next(filter(None, pages), [])
    else:
        found = follower.page()
        if not found and follower.after >= follower.head and not ending():
            carried.put_off("wait", wait, wanted, follower.after, follower.head)
    if found:
        return _read(ask.api, wanted, after, limit)
    return FittingRows([], follower.after if follower.after < follower.head else None)


def _range(ask: Ask[Any]) -> tuple[int, int]:
    """The position after which the page begins, and the number of events to read: one more than a page."""
    return ask.after or ask.query.after, ask.query.limit + 1


def _listing(ask: Ask[Any], found: FittingRows) -> Listing[shapes.Event]:
    rows, following = page_of(found.rows, ask.query.limit, lambda row: row.position)
    return Listing([_shape(ask.api, row) for row in rows], following or found.upto)


def _shapes(api: Api, row: Recorded) -> list[shapes.Event]:
    return [_shape(api, row)]


def _shape(api: Api, row: Recorded) -> shapes.Event:
    if row.own is None:
        return shapes.Event(**_fields(api, row))
    reading = own_source().read(None, row.own)
    said = {} if isinstance(reading, Unreadable) else dict(reading.data)
    changes = said.pop("changes", UNSET)
    told = {name: value for name, value in said.items() if not isinstance(value, list) or len(value) <= MOST_TOLD}
    return shapes.Event(**_fields(api, row), changes=changes, told=told)


def _streams(ask: Ask[Any], sources: frozenset[str] | None) -> frozenset[tuple[str, str]] | None:
    """The streams of a provider's id under each source; None if no id is given, empty if ids of two kinds are."""
    asked = [(kind, name) for kind, field in _NAMES.items() if (name := getattr(ask.query, field, None))]
    if not asked:
        return None
    if len(asked) > 1:
        return frozenset()
    ((kind, name),) = asked
    names = ask.api.source_names() if sources is None else sources
    return frozenset((one, ask.api.ids.of(kind, one, name)) for one in names)


def _position(ask: Ask[Any]) -> int:
    position = position_of(ask.path["position"])
    if position is None:
        raise NotFound("no such event")
    return position


def _fields(api: Api, row: Recorded) -> dict[str, Any]:
    provider = api.provider_of(row.source)
    kind = row.kind or _KIND_WITHOUT_A_STREAM.get(provider or "", "session")
    return {
        "position": row.position,
        "source": row.source,
        "provider": provider,
        "type": row.type,
        **({} if row.source == OWN else {_NAMES[kind]: row.provider_id}),
        "stream": row.stream,
        "reading": row.reading,
        "sequence": row.sequence,
        "key": row.key.hex(),
        "occurred_at": text_of(row.occurred_at),
        "received_at": utc(row.received_at),
        "recorded_at": utc(row.recorded_at),
        "verified_by": row.verified_by,
        "origin": _origin(row.origin),
    }


def _origin(document: bytes | None) -> shapes.Origin | UnsetType:
    if document is None:
        return UNSET
    said = msgspec.json.decode(document, type=dict[str, int])
    return shapes.Origin(said["position"], utc(said["recorded_at"]))


def _said(api: Api, row: Recorded) -> tuple[dict[str, Any], list[str]]:
    """The documented fields of the body, and the notes of its reading; nothing if the source or the body is gone."""
    configured = own_source() if row.source == OWN else api.sources.get(row.source)
    body = api.reads.body(row.position)
    if configured is None or body is None:
        return {}, []
    reading = configured.read(row.documented, body)
    slips = [] if word_of(reading) == "ok" or row.source == OWN else _slips(configured, body)
    if isinstance(reading, Unreadable):
        return {}, [reading.reason, *slips]
    return reading.data, [*(note.detail for note in reading.notes), *slips]


def _slips(source: Source, body: bytes) -> list[str]:
    """Fields of the body whose names nearly match documented ones."""
    told = spelling_hint(PROVIDERS[source.provider], partial(source.read, None), body)
    return [told] if told else []
