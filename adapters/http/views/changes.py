"""`/v1/sessions/stream`, `/v1/measurements/stream`, `/v1/actions/stream`: states as they change, the latest of each.

Changes are found from the events after a position, so the cost depends on new events, not on the number of streams. A
stream with events after those read is sent with the later ones, so a slow or returning client gets each state once.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

from flask import Response

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.carried import AT_ONCE, TailEvent, TailPage, Wanted, within_bounds
from adapters.http.framework.problems import Busy
from adapters.http.framework.routes import Ask, Routes
from adapters.http.presenters.stream_resource import state_of
from adapters.http.views import actions, measurements, sessions
from adapters.http.views.events import read_fitting, wanted_of
from adapters.http.views.follow import STREAM, FittingRows, Followed, follow, tail_events
from adapters.sql import Measured, Projected, Recorded, Unavailable, WantedMeasurements, WantedStreams
from core.event import Instant
from core.states.records import Measurement

routes = Routes()

PAGES = 20
"""The most pages without a match that are read in one go: others need the thread, and the client may have left."""


class StreamChange(NamedTuple):
    """A stream's present state, the position of its last event that was read, and what is sent of it."""

    position: int
    source: str
    stream: str
    reading: str
    type: str | None
    told: Sequence[Any]


Folds = Sequence[Projected]
Range = tuple[int, int]
"""Two positions, inclusive."""


class ToldKind(NamedTuple):
    """A kind of stream, a function that loads the changed rows between two positions, and one that converts a row."""

    kind: str
    told: Callable[[Api, Folds, Range], Mapping[str, Sequence[Any]]]
    shape: Callable[[Api, Any, Instant], Any]


def _streams(_api: Api, folds: Folds, within: Range) -> Mapping[str, Sequence[Projected]]:
    """The changed streams without those that have later events, which are sent with these."""
    return {row.stream: [row] for row in folds if state_of(row).position <= within[1]}


def _measurements(api: Api, folds: Folds, within: Range) -> Mapping[str, Sequence[Measured]]:
    """The measurements whose last event is in the range. If the session has no later events, all in its state.

    An event may change other measurements than its own.
    """
    here = [record.position for row in folds for record in _held(row, within)]
    wanted = WantedMeasurements(fingerprints=api.current.versions, limit=len(here), begun=here)
    left = replace(wanted, begun=None, limit=AT_ONCE, left=within, streams=[row.stream for row in folds])
    found = [*api.reads.measurements(wanted), *api.reads.measurements(left)]
    told: dict[str, list[Measured]] = {}
    for row in sorted(found, key=attrgetter("opened")):
        told.setdefault(row.stream, []).append(row)
    return told


def _held(row: Projected, within: Range) -> list[Measurement]:
    state = state_of(row)
    whole = state.position <= within[1]
    return [one for one in state.records() if whole or within[0] <= one.last <= within[1]]


CHANGES: Mapping[str, ToldKind] = {
    "sessions": ToldKind("session", _streams, sessions.row_shape),
    "measurements": ToldKind("session", _measurements, lambda api, row, _: measurements.shape(api, row)),
    "actions": ToldKind("action", _streams, actions.shape),
}
"""The kinds by the name of the tail that feeds them."""


@routes.one(Scope.READ, "/v1/sessions/stream", queries.SessionChanges, str, **STREAM)
def sessions_stream(ask: Ask[queries.SessionChanges]) -> Response:
    """Sessions as they change, as server-sent events: `data` is a `Session` as in the list, the latest of each.

    `id` is the position of an event that changed it; a client that reconnects with it gets what changed since.
    """
    return _stream(ask, "sessions")


@routes.one(Scope.READ, "/v1/measurements/stream", queries.SessionChanges, str, **STREAM)
def measurements_stream(ask: Ask[queries.SessionChanges]) -> Response:
    """Measurements as they change, as server-sent events: `data` is a `Measurement` as in the list, the latest of each.

    `id`, which the last one of a session has, is the position of an event that changed it. Others of the same session
    are sent with the one that changed.
    """
    return _stream(ask, "measurements")


@routes.one(Scope.READ, "/v1/actions/stream", queries.ActionChanges, str, **STREAM)
def actions_stream(ask: Ask[queries.ActionChanges]) -> Response:
    """Actions as they change, as server-sent events: `data` is an `Action` as in the list, the latest of each.

    `id` is the position of an event that changed it; a client that reconnects with it gets what changed since.
    """
    return _stream(ask, "actions")


def read_changes(name: str, api: Api, after: int) -> TailPage:
    """The changes by the next events after a position, for a server that supports `Carried`, and how far these go."""
    if api.replica is not None:
        with suppress(Unavailable):
            return _read_changes(name, api.replica, after)
    return _read_changes(name, api, after)


def _read_changes(name: str, api: Api, after: int) -> TailPage:
    rows, upto = _folded(api, Wanted(), after)
    latest = _latest(api, name, rows)
    told = within_bounds(tail_events(latest, partial(_shapes, api, name)))
    if rows and len(told) == len(latest):
        told.append(TailEvent.end(rows[-1].position))
    return TailPage(told, more=bool(told) and told[-1].position < upto)


def _stream(ask: Ask[Any], name: str) -> Response:
    api = ask.api
    if not api.current.is_built():
        raise Busy("this release has not folded the log yet: hookfold replay run does")
    head, read = partial(_upto, api), partial(_next, api, name)
    return follow(ask, Followed(name, head, partial(wanted_of, ask), read, partial(_shapes, api, name)))


def _shapes(api: Api, name: str, change: StreamChange) -> list[Any]:
    now = api.clock()
    return [CHANGES[name].shape(api, row, now) for row in change.told]


def _next(api: Api, name: str, wanted: Wanted, after: int) -> FittingRows:
    """The changes by the next matching events of a few pages.

    Never goes beyond what is folded: reading marks the long streams that another service left.
    """
    for _ in range(PAGES):
        rows, upto = _folded(api, wanted, after)
        if not rows:
            return FittingRows([], max(after, upto))
        after = rows[-1].position
        if latest := _latest(api, name, rows):
            return FittingRows(latest, after)
    return FittingRows([], after)


def _folded(api: Api, wanted: Wanted, after: int) -> tuple[list[Recorded], int]:
    """The next events whose streams are folded, and the position up to which all are.

    Raises Unavailable while this release has not folded the log.
    """
    if not api.current.is_built():
        raise Unavailable("this release has not folded the log yet")
    upto = _upto(api)
    return [row for row in read_fitting(api, wanted, after) if row.position <= upto], upto


def _upto(api: Api) -> int:
    return api.current.folded()[1]


def _latest(api: Api, name: str, rows: Sequence[Recorded]) -> list[StreamChange]:
    """The changes of the streams that these events belong to."""
    kind = CHANGES[name].kind
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
    folds = api.reads.streams(asked)
    told = CHANGES[name].told(api, folds, (rows[0].position, rows[-1].position))
    found = [
        StreamChange(last[row.source, row.stream], row.source, row.stream, "ok", None, told[row.stream])
        for row in folds
        if row.stream in told
    ]
    return sorted(found, key=attrgetter("position"))
