"""`/v1/sessions/stream`, `/v1/actions/stream`: states as they change, the latest of each stream.

What changed is found by the events behind a position, so it costs what came, however many streams there are. A stream
that went on behind the events looked at is told with those: so whoever is slow, or comes back, is told each state once.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from flask import Response

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.carried import TailEvent, TailPage, Wanted, within_bounds
from adapters.http.framework.problems import Busy
from adapters.http.framework.routes import Ask, Routes
from adapters.http.presenters.stream_resource import state_of
from adapters.http.views import actions, sessions
from adapters.http.views.events import read_fitting, wanted_of
from adapters.http.views.follow import STREAM, FittingRows, Followed, follow, tail_events
from adapters.sql import Projected, Recorded, Unavailable, WantedStreams
from core.event import Instant

routes = Routes()

PAGES = 20
"""So many pages without anything that fits are read at once: others want the thread, and a client may have left."""


class ToldKind(NamedTuple):
    """A kind of stream, and what one is told as."""

    kind: str
    shape: Callable[[Api, Projected, Instant], Any]


class StreamChange(NamedTuple):
    """A stream as it is now, by the last of its events that were looked at."""

    position: int
    source: str
    stream: str
    reading: str
    type: str | None
    row: Projected


CHANGES: Mapping[str, ToldKind] = {
    "sessions": ToldKind("session", sessions.row_shape),
    "actions": ToldKind("action", actions.shape),
}
"""By the name of the tail that feeds those who follow them."""


@routes.one(Scope.READ, "/v1/sessions/stream", queries.SessionChanges, str, **STREAM)
def sessions_stream(ask: Ask[queries.SessionChanges]) -> Response:
    """Sessions as they change, as server-sent events: `data` is a `Session` as in the list, the latest of each.

    `id` is the position of an event that changed it; whoever comes back with it is told what changed since.
    """
    return _stream(ask, "sessions")


@routes.one(Scope.READ, "/v1/actions/stream", queries.ActionChanges, str, **STREAM)
def actions_stream(ask: Ask[queries.ActionChanges]) -> Response:
    """Actions as they change, as server-sent events: `data` is an `Action` as in the list, the latest of each.

    `id` is the position of an event that changed it; whoever comes back with it is told what changed since.
    """
    return _stream(ask, "actions")


def read_changes(name: str, api: Api, after: int) -> TailPage:
    """What the next events behind a position changed, for a server that carries on, and how far these go."""
    if api.replica is not None:
        with suppress(Unavailable):
            return _read_changes(name, api.replica, after)
    return _read_changes(name, api, after)


def _read_changes(name: str, api: Api, after: int) -> TailPage:
    rows, upto = _folded(api, Wanted(), after)
    latest = _latest(api, CHANGES[name].kind, rows)
    told = within_bounds(tail_events(latest, partial(_shape, api, name)))
    if rows and len(told) == len(latest):
        told.append(TailEvent.end(rows[-1].position))
    return TailPage(told, more=bool(told) and told[-1].position < upto)


def _stream(ask: Ask[Any], name: str) -> Response:
    api = ask.api
    if not api.current.is_built():
        raise Busy("this release has not folded the log yet: hookfold replay run does")
    head, read = partial(_upto, api), partial(_next, api, CHANGES[name].kind)
    return follow(ask, Followed(name, head, partial(wanted_of, ask), read, partial(_shape, api, name)))


def _shape(api: Api, name: str, change: StreamChange) -> Any:
    return CHANGES[name].shape(api, change.row, api.clock())


def _next(api: Api, kind: str, wanted: Wanted, after: int) -> FittingRows:
    """What the next events that fit changed, of a few pages.

    It never goes beyond what is folded: a long stream that another service left is set aside only as this looks.
    """
    for _ in range(PAGES):
        rows, upto = _folded(api, wanted, after)
        if not rows:
            return FittingRows([], max(after, upto))
        after = rows[-1].position
        if latest := _latest(api, kind, rows):
            return FittingRows(latest, after)
    return FittingRows([], after)


def _folded(api: Api, wanted: Wanted, after: int) -> tuple[list[Recorded], int]:
    """The next events whose streams are folded, and up to where all are.

    Raises Unavailable while this release has not folded the log.
    """
    if not api.current.is_built():
        raise Unavailable("this release has not folded the log yet")
    upto = _upto(api)
    return [row for row in read_fitting(api, wanted, after) if row.position <= upto], upto


def _upto(api: Api) -> int:
    return api.current.folded()[1]


def _latest(api: Api, kind: str, rows: Sequence[Recorded]) -> list[StreamChange]:
    """The streams of this kind that these events belong to, but for those that went on behind them."""
    last = {(row.source, row.stream): row.position for row in rows if row.kind == kind and row.stream is not None}
    if not last:
        return []
    asked = WantedStreams(
        kind=kind,
        fingerprints=api.current.versions,
        limit=len(last),
        sources=sorted({source for source, _ in last}),
        streams=sorted(stream for _, stream in last),
    )
    found = [
        StreamChange(last[row.source, row.stream], row.source, row.stream, "ok", None, row)
        for row in api.reads.streams(asked)
    ]
    return sorted(one for one in found if state_of(one.row).position <= rows[-1].position)
