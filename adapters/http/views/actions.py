"""`/v1/actions`: commands to devices and their results. The app that pushed one may report on it."""

import re

from flask import Response, request

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.answers import uncached
from adapters.http.framework.api import Api
from adapters.http.framework.problems import BadRequest
from adapters.http.framework.routes import Ask, Header, Listing, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.compare import compare_stream
from adapters.http.presenters.stream_resource import common, ids_of, listed, one, state_of, wanted
from adapters.http.presenters.timelines import FORMS, answer, page_of_timeline, timeline, title_of
from adapters.http.presenters.why import why_stream
from adapters.providers import instant
from adapters.sql import Projected
from core.event import Instant
from core.instants import text_of

routes = Routes()

_KEY = re.compile(r"[ -+\--~\x80-\xff]{1,256}")
"""No comma, because servers join repeated headers with commas, and the values could not be told apart."""
HEADERS = {
    "Idempotency-Key": Header(
        "Identifies the report. The same key again is a `duplicate`, or a `conflict` if the content differs. "
        "Send one header, without a comma: several headers arrive joined by commas.",
        _KEY.pattern,
    )
}

_FIELDS = (
    *("device_id", "device_type", "action_type", "parameters", "result"),
    *("error_code", "error_message", "event_id"),
)


@routes.many(Scope.READ, "/v1/actions", queries.Actions, shapes.Action)
def actions(ask: Ask[queries.Actions]) -> Listing[shapes.Action]:
    """Actions, the newest first."""
    devices = ids_of(ask.api, "device", ask.query.source or None, ask.query.device_id or None)
    return listed(ask, wanted(ask, "action", name=ask.query.action_id or None, devices=devices), shape)


@routes.one(Scope.READ, "/v1/actions/{id}", queries.One, shapes.Action)
def action(ask: Ask[queries.One]) -> shapes.Action:
    """One action."""
    return shape(ask.api, one(ask, "action"), ask.now)


@routes.many(Scope.READ, "/v1/actions/{id}/timeline", queries.Timeline, shapes.Step, also=FORMS)
def action_timeline(ask: Ask[queries.Timeline]) -> Listing[shapes.Step] | Response:
    """What each of an action's events did, in canonical order."""
    row = one(ask, "action")
    if (page := page_of_timeline(ask, row)) is not None:
        return page
    return answer(ask, title_of(row, state_of(row).state), timeline(ask, row), lambda: why_stream(ask, row).sentence)


@routes.one(Scope.READ, "/v1/actions/{id}/why", queries.Why, shapes.Why)
def action_why(ask: Ask[queries.Why]) -> shapes.Why:
    """Why an action is in its state: the chain of events, what did not move it, what it waits for."""
    return why_stream(ask, one(ask, "action"))


@routes.one(Scope.READ, "/v1/actions/{id}/compare", queries.Compare, shapes.Compared)
def action_compare(ask: Ask[queries.Compare]) -> shapes.Compared:
    """What we learnt about an action between two times, and from which events."""
    return compare_stream(ask, "action", shape)


@routes.post(Scope.ACT, "/v1/actions", queries.Told, shapes.Receipt, headers=HEADERS)
def tell_action(ask: Ask[queries.Plain], told: queries.Told) -> Response:
    """Records the app's report on an action that it pushed, as an event. Headers have its verdict and position."""
    key = request.headers.get("Idempotency-Key", "")
    if _KEY.fullmatch(key) is None:
        expected = "expected once, with 1 to 256 characters and without a comma: with one it cannot be told from two"
        raise BadRequest(f"Idempotency-Key: {expected}", parameter="Idempotency-Key")
    if ask.api.provider_of(told.source) != "amps":
        raise BadRequest("source: expected a configured amps source", parameter="source")
    verdict, position = ask.api.tell(
        source=str(told.source),
        key=key,
        action_id=str(told.action_id),
        state=str(told.state),
        occurred_at=int(told.occurred_at),
    )
    answer = uncached(
        shapes.Receipt(status="success", id=ask.api.ids.of("action", str(told.source), str(told.action_id)))
    )
    answer.headers["Hookfold-Verdict"] = verdict
    answer.headers["Hookfold-Position"] = str(position)
    return answer


def shape(api: Api, row: Projected, now: Instant) -> shapes.Action:
    """An action as returned by the API."""
    state = state_of(row)
    data = {name: state.data.get(name) for name in _FIELDS}
    device_id = data["device_id"]
    return shapes.Action(
        **common(api, row, state, now),
        **data,
        action_id=row.provider_id,
        device=api.ids.of("device", row.source, device_id) if isinstance(device_id, str) else None,
        command=state.data.get("command", data["action_type"]),
        completed_at=text_of(instant(state.data.get("completed_at"))),
        failed_at=text_of(instant(state.data.get("failed_at"))),
    )
