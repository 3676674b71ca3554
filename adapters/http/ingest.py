"""The ingest paths under any WSGI server; `adapters.server` answers the same ones without Flask in between."""

from collections.abc import Callable

from flask import Blueprint, Response, request

from adapters.http.door import Answer, Door, answer
from adapters.sql import Entry, Receipt, Rejection, Unavailable
from core.event import Headers

_METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def ingest_blueprint(door: Door, append: Callable[[Entry | Rejection], Receipt]) -> Blueprint:
    """`POST /in/{source}` and `/in/{source}/webhook`. `append` waits for the commit and raises Unavailable."""
    blueprint = Blueprint("ingest", __name__)

    @blueprint.route("/in/<path:_rest>", methods=_METHODS, provide_automatic_options=False)
    def deliver(_rest: str) -> Response:
        source = door.source_of(request.method, request.path)
        if not isinstance(source, str):
            return _response(source)
        item = _item(door, source)
        try:
            return _response(answer(item, append(item)))
        except Unavailable as error:
            return _response(answer(item, error))

    return blueprint


def _item(door: Door, source: str) -> Entry | Rejection:
    headers: Headers = [(name.lower(), value) for name, value in request.headers]
    declared = request.content_length or 0
    if declared > door.max_body:
        return door.refuse_size(source, headers, declared)
    body = request.stream.read(door.max_body + 1)
    if len(body) > door.max_body:
        return door.refuse_size(source, headers, len(body))
    return door.receive(source, headers, body)


def _response(given: Answer) -> Response:
    return Response(given.body, given.status, given.headers)
