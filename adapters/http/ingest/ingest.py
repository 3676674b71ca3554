"""The ingest paths under any WSGI server. `adapters.server` answers them without Flask."""

from collections.abc import Callable

import structlog
from flask import Blueprint, Response, request
from flask.sansio.blueprints import BlueprintSetupState
from werkzeug.exceptions import ClientDisconnected
from werkzeug.routing import BaseConverter, Rule

from adapters.http.ingest.door import Answer, Door, failure
from adapters.sql import Entry, Receipt, Rejection, Unavailable
from core.event import Headers

_ENDPOINT = "ingest"
_READ = 65_536
_logger = structlog.get_logger()


def ingest_blueprint(door: Door, append: Callable[[Entry | Rejection], Receipt]) -> Blueprint:
    """`POST /in/{source}` and `/in/{source}/webhook`. `append` waits for the commit and raises Unavailable."""
    blueprint = Blueprint("ingest", __name__)
    blueprint.record_once(_take_all)

    @blueprint.endpoint(_ENDPOINT)
    def deliver(_rest: str = "") -> Response:
        source = door.source_of(request.method, request.path)
        if not isinstance(source, str):
            return _response(source)
        if source in door.forwarded:
            return _response(failure(404, f"its handler is asked through the plain path alone: POST /in/{source}"))
        item = _item(door, source)
        return _response(item if isinstance(item, Answer) else door.answer(item, _outcome(append, item)))

    return blueprint


class _Rest(BaseConverter):
    """Matches any rest of a path, including nothing and repeated slashes."""

    regex = ".*"
    part_isolating = False


def _take_all(state: BlueprintSetupState) -> None:
    """Routes every ingest path and method to the door, which refuses what is wrong in its own order and words."""
    rules = state.app.url_map
    rules.converters["rest"] = _Rest
    rules.add(Rule("/in", endpoint=_ENDPOINT))
    rules.add(Rule("/in/<rest:_rest>", endpoint=_ENDPOINT))


def _outcome(append: Callable[[Entry | Rejection], Receipt], item: Entry | Rejection) -> Receipt | Exception:
    try:
        return append(item)
    except Unavailable as error:
        return error
    except Exception as error:
        _logger.exception("delivery_failed")
        return error


def _item(door: Door, source: str) -> Entry | Rejection | Answer:
    headers: Headers = [(name.lower(), value) for name, value in request.headers]
    declared = request.content_length or 0
    if declared > door.max_body:
        return door.refuse_size(source, headers, declared)
    try:
        body = _body(door.max_body)
    except (OSError, ClientDisconnected):
        return failure(400, "the body broke off")
    if len(body) > door.max_body:
        return door.refuse_size(source, headers, len(body))
    return door.receive(source, headers, body, _target())


def _target() -> str:
    query = request.query_string.decode("latin-1")
    return request.path + (f"?{query}" if query else "")


def _body(limit: int) -> bytes:
    """The body, or more bytes than the limit if it is longer. A server may return fewer bytes than requested."""
    body = b""
    while len(body) <= limit and (some := request.stream.read(min(_READ, limit + 1 - len(body)))):
        body += some
    return body


def _response(given: Answer) -> Response:
    return Response(given.body, given.status, given.headers)
