"""`/v1/events`: the log as it is, by position. Who follows positions sees every event once."""

from collections.abc import Sequence
from typing import Any

from flask import Response

from adapters.http import queries, shapes
from adapters.http.api import Api
from adapters.http.folded import ids_of
from adapters.http.problems import NotFound
from adapters.http.routes import Ask, Listing, Routes, page_of
from adapters.http.times import text_of, utc
from adapters.sql import Recorded
from core.event import Unreadable

routes = Routes()

_NAMES = {
    "session": "session_id",
    "action": "action_id",
    "device": "device_id",
    "registration": "registration_id",
}
_KIND_WITHOUT_A_STREAM = {"amps": "action"}


@routes.many("/v1/events", queries.Events, shapes.Event)
def events(ask: Ask[queries.Events]) -> Listing[shapes.Event]:
    """The feed: events behind a position, in the order in which they were recorded."""
    source = ask.query.source or None
    streams: list[str] | None = None
    for kind, name in _NAMES.items():
        ids = ids_of(ask.api, kind, source, getattr(ask.query, name) or None)
        if ids is not None:
            streams = ids if streams is None else []
    sources = [source] if source else None if streams is None else ask.api.source_names()
    return events_of(ask, sources, streams)


@routes.one("/v1/events/{position}", queries.Query, shapes.WholeEvent)
def event(ask: Ask[queries.Query]) -> shapes.WholeEvent:
    """One event, with what its body says."""
    recorded = ask.api.reads.event(_position(ask))
    if recorded is None:
        raise NotFound("no such event")
    data, notes = _said(ask.api, recorded)
    return shapes.WholeEvent(**_fields(ask.api, recorded), data=data, notes=notes)


@routes.one("/v1/events/{position}/body", queries.Query, None, media="application/octet-stream")
def event_body(ask: Ask[queries.Query]) -> Response:
    """An event's raw body, byte for byte, as a download."""
    position = _position(ask)
    body = ask.api.reads.body(position)
    if body is None:
        raise NotFound("no such event, or its body was erased")
    disposition = f'attachment; filename="event-{position}.bin"'
    return Response(body, headers={"Content-Disposition": disposition}, content_type="application/octet-stream")


def events_of(ask: Ask[Any], sources: Sequence[str] | None, streams: Sequence[str] | None) -> Listing[shapes.Event]:
    """A page of events behind the position that is asked for."""
    after, limit = ask.after or ask.query.after, ask.query.limit
    found = ask.api.reads.events(after=after, limit=limit + 1, sources=sources, streams=streams)
    rows, following = page_of(found, limit, lambda row: row.position)
    return Listing([shapes.Event(**_fields(ask.api, row)) for row in rows], following)


def _position(ask: Ask[Any]) -> int:
    given = ask.path["position"]
    if not (given.isascii() and given.isdigit() and len(given) < 20 and int(given) <= queries.HIGHEST):
        raise NotFound("no such event")
    return int(given)


def _fields(api: Api, row: Recorded) -> dict[str, Any]:
    provider = api.provider_of(row.source)
    kind = row.kind or _KIND_WITHOUT_A_STREAM.get(provider or "", "session")
    return {
        "position": row.position,
        "source": row.source,
        "provider": provider,
        "type": row.type,
        _NAMES[kind]: row.provider_id,
        "stream": row.stream,
        "reading": row.reading,
        "sequence": row.sequence,
        "key": row.key.hex(),
        "occurred_at": text_of(row.occurred_at),
        "received_at": utc(row.received_at),
        "recorded_at": utc(row.recorded_at),
        "verified_by": row.verified_by,
    }


def _said(api: Api, row: Recorded) -> tuple[dict[str, Any], list[str]]:
    """The documented fields of the body, and what the reading remarked; nothing once the source or the body is gone."""
    configured, body = api.sources.get(row.source), api.reads.body(row.position)
    if configured is None or body is None:
        return {}, []
    reading = configured.read(row.documented, body)
    if isinstance(reading, Unreadable):
        return {}, [reading.reason]
    return reading.data, [note.detail for note in reading.notes]
