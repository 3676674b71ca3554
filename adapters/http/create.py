"""Assembles the query API: routes, error handlers, security headers and metrics."""

import secrets
import traceback
from collections.abc import Iterable, Sequence
from functools import cache, partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Request, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import MapAdapter

from adapters.audit import Uncovered
from adapters.http.framework import openapi
from adapters.http.framework.answers import add_safe_headers
from adapters.http.framework.api import Api
from adapters.http.framework.carried import PutOff
from adapters.http.framework.endpoints import Endpoints
from adapters.http.framework.problems import Busy, Problem, problem_response
from adapters.http.framework.questions import AWAY, TOO_LONG, Questions
from adapters.http.framework.routes import Route
from adapters.http.framework.tokens import Gate
from adapters.http.ingest.door import failure, is_ingest
from adapters.http.views import (
    actions,
    audit,
    changes,
    completeness,
    deliveries,
    devices,
    docs,
    events,
    evidence,
    health,
    ids,
    machines,
    measurements,
    overview,
    registrations,
    relays,
    replays,
    sessions,
)
from adapters.http.views.metrics import Metrics
from adapters.sql import TooLong, Unavailable

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_MODULES = (
    *(sessions, measurements, actions, changes, devices, registrations, events, deliveries, relays, machines, replays),
    *(audit, evidence, completeness, overview, ids, health),
)
_KINDS = {404: ("not-found", "no such path"), 405: ("method", "not with this method")}


class _Plain(Flask):
    """Ignores WebSocket upgrade requests (RFC 9110, 7.8), which Werkzeug would refuse."""

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        adapter = super().create_url_adapter(request)
        if adapter is not None:
            adapter.websocket = False
        return adapter


def create_http(api: Api) -> Flask:
    """The Flask application with every path of the query API."""
    app = _Plain(__name__.rpartition(".")[0])
    app.url_map.merge_slashes = False
    app.config["BASE_URL"] = api.base_url
    app.jinja_env.globals.update(root=api.root, base_url=api.base_url)
    app.wsgi_app = _below(api.root, app.wsgi_app)  # type: ignore[assignment, method-assign]  # as Flask documents it
    routes = _routes(api)
    endpoints = Endpoints(api)
    for route in routes:
        app.add_url_rule(route.rule, route.name, endpoints.of(route), methods=[route.method])
    _publish(app, routes, api)
    _tell_problems(app)
    Metrics(api).watch(app)
    Gate(api.holders, routes).watch(app)
    app.after_request(add_safe_headers)
    return app


def _below(root: str, application: "WSGIApplication") -> "WSGIApplication":
    """The application mounted at a path that the proxy removes."""

    def mounted(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return application({**environ, "SCRIPT_NAME": root}, start_response)

    return mounted if root else application


def questions_of(api: Api) -> Questions:
    """In-process access to the API."""
    return Questions(api, _routes(api))


def _routes(api: Api) -> list[Route]:
    every = [route for module in _MODULES for route in module.routes.all]
    return [route for route in every if api.writable or route.method == "GET"]


def _publish(app: Flask, routes: Sequence[Route], api: Api) -> None:
    document = cache(partial(openapi.document_of, routes, guarded=bool(api.tokens), server=api.base_url))
    openapi.publish(app, document)
    docs.publish(app, document)


def _tell_problems(app: Flask) -> None:
    app.register_error_handler(PutOff, PutOff.response)
    app.register_error_handler(Problem, Problem.response)
    app.register_error_handler(TooLong, lambda _: Busy(TOO_LONG).response())
    app.register_error_handler(Uncovered, lambda error: Busy(str(error)).response())
    app.register_error_handler(Unavailable, lambda _: Busy(AWAY).response())
    app.register_error_handler(HTTPException, _http_problem)
    app.register_error_handler(Exception, _unforeseen)


def _http_problem(error: HTTPException) -> Response:
    """Flask's own errors, such as unknown paths, as problems. Webhook senders get another format."""
    status = HTTPStatus(error.code or 500)
    headers = [(name, value) for name, value in error.get_headers() if name == "Allow"]
    if is_ingest(request.path):
        given = failure(status, status.phrase.lower(), [(name.lower(), value) for name, value in headers])
        return Response(given.body, given.status, given.headers)
    kind, detail = _KINDS.get(status, ("other", error.description or status.phrase))
    return problem_response(status, kind, detail, None, headers)


def _unforeseen(error: Exception) -> Response:
    """A bug of ours. Logs the exception's kind and place, not its message, which may contain personal data."""
    frames = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]
    rule = request.url_rule.rule if request.url_rule else None
    name = secrets.token_hex(8)
    structlog.get_logger("http").error(
        "request_failed", request=name, route=rule, error=type(error).__name__, frames=frames
    )
    detail = f"the fault is ours, and is on record as request {name}"
    return problem_response(HTTPStatus.INTERNAL_SERVER_ERROR, "fault", detail, None, [("Hookfold-Request", name)])
