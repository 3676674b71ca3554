"""Generates the OpenAPI 3.1 document from the declarations that register the routes and check requests."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec
from flask import Flask

from adapters.http.framework import undeclared_paths
from adapters.http.framework.answers import uncached
from adapters.http.framework.parameters import is_optional
from adapters.http.framework.problems import ProblemDocument
from adapters.http.framework.queries import HIGHEST, Timed
from adapters.http.framework.routes import OPEN, Page, Route
from adapters.http.framework.scalars import describe
from core.ids import BEGINNING

VERSION = "1"
_PROBLEMS = {
    "400": "Something that was sent cannot be understood; `parameter` names it.",
    "404": "There is no such thing.",
    "405": "The path knows other methods: `Allow` names them.",
    "503": "Not now; `Retry-After` says when to ask again.",
}
_GUARDED = {
    "401": "No token, or none of this service's: `WWW-Authenticate` says which.",
    "403": "The token is not for this operation, or a page of another site asks.",
}
_ERASED = {"410": "What is asked for was erased: what it was earlier cannot be told any more."}
_OTHER_SITES = {"403": "A browser asks on behalf of a page of another site."}
_BODY_PROBLEMS = {"413": "The body is too large.", "415": "The body is not JSON."}
_INTRODUCTION = (
    "What state a session is in, why, and what was known when. Instants are ISO 8601, UTC, with microseconds. "
    "Lists are pages: `next_cursor` and the `Link` header lead to the next one. "
    "JSON answers to a GET under `/v1` have an `ETag`; what depends on the time of the question stands in `derived` "
    "and is no part of it."
)

_BEARER = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token of the service's configuration. Its scopes: `read`; `raw`, for bodies as sent and bundles "
    "of them; `act`, for what changes something.",
}

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_PATH_PARAMETERS: dict[str, tuple[str, dict[str, Any]]] = {
    "id": ("Our id.", _TEXT),
    "beginning": (
        "A prefix and at least 8 characters of what follows.",
        {"type": "string", "pattern": f"^{BEGINNING}$"},
    ),
    "position": ("The event's place in the log.", {"type": "integer", "minimum": 1, "maximum": HIGHEST}),
    "name": ("The machine's name.", _TEXT),
    "version": ("A version's name, as `/v1/versions` tells it.", _TEXT),
}
_TAGS = {
    "ingest": "The senders' side.",
    "overview": "What is going on.",
    "ids": "Our ids, by their beginnings.",
    "sessions": "Sessions of every provider.",
    "measurements": "Measurements of the Web Measurement Service.",
    "actions": "Actions that were pushed to devices.",
    "devices": "Devices, and what was pushed to them.",
    "registrations": "Registrations of app servers.",
    "events": "The log, event by event.",
    "deliveries": "What came to the door.",
    "rejections": "What was refused at the door.",
    "relays": "What is to be delivered to handlers.",
    "machines": "The machines that fold the log.",
    "replays": "Building projections anew.",
    "versions": "What replays have built, and which of it serves.",
    "audit": "Checkpoints, proofs, and what is not whole.",
    "service": "Health, readiness, metrics.",
}

Schema = dict[str, Any]


def document_of(routes: Sequence[Route], *, guarded: bool = False, server: str = "") -> Schema:
    """The document as plain data. `guarded`: tokens are configured; otherwise 401 does not occur and is not documented.

    `server` is the service's URL, if known.
    """
    answers = [_answer_type(route) for route in routes if route.answer is not None]
    bodies = [route.body for route in routes if route.body is not None]
    types = [*answers, *bodies, ProblemDocument, *undeclared_paths.TYPES]
    schemas, components = msgspec.json.schema_components(
        types, schema_hook=describe, ref_template="#/components/schemas/{name}"
    )
    schema_of = dict(zip(map(repr, types), schemas, strict=True))
    document = {
        "openapi": "3.1.0",
        "info": {"title": "Hookfold", "version": VERSION, "description": _INTRODUCTION},
        "servers": [{"url": server or "/", "description": "The service that gave this document."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": _paths(routes, schema_of) | undeclared_paths.paths(schema_of, schema_of[repr(ProblemDocument)]),
        "components": {"schemas": components},
    }
    if guarded:
        _guard(document, routes, schema_of)
    return _with_plain_names(document)


def _guard(document: Schema, routes: Sequence[Route], schema_of: Schema) -> None:
    """Adds the scope of each operation as the role of an OpenAPI 3.1 security requirement."""
    document["components"]["securitySchemes"] = {"token": _BEARER}
    for route in routes:
        if route.scope is not OPEN:
            operation = document["paths"][route.path][route.method.lower()]
            operation["security"] = [{"token": [route.scope]}]
            responses = operation["responses"] | _problems(_GUARDED, schema_of)
            operation["responses"] = dict(sorted(responses.items()))


def _with_plain_names(document: Schema) -> Schema:
    """Renames msgspec's `Page_Session_` to `SessionPage`, and so on."""
    text = re.sub(r"Page_(\w+?)_(?=\")", r"\1Page", msgspec.json.encode(document).decode())
    named: Schema = msgspec.json.decode(re.sub(r'"Page\[(\w+)\]"', r'"\1Page"', text))
    named["components"]["schemas"] = dict(sorted(named["components"]["schemas"].items()))
    return named


def publish(app: Flask, document: Callable[[], Schema]) -> None:
    """Serves the document at `/openapi.json`."""
    app.add_url_rule("/openapi.json", "openapi", lambda: uncached(document()))


def _paths(routes: Sequence[Route], schema_of: Schema) -> Schema:
    paths: Schema = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schema_of)
    return paths


def _operation(route: Route, schema_of: Schema) -> Schema:
    operation: Schema = {
        "operationId": route.name,
        "summary": route.summary,
        "tags": [_tag(route)],
        "security": [],
        "parameters": [*_path_parameters(route), *_header_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, schema_of),
    }
    if route.body is not None:
        content = {"application/json": {"schema": schema_of[repr(route.body)]}}
        operation["requestBody"] = {"required": not is_optional(route.body), "content": content}
    return operation


def _tag(route: Route) -> str:
    parts = route.path.strip("/").split("/")
    return parts[1] if parts[0] == "v1" else "service"


def _path_parameters(route: Route) -> Iterable[Schema]:
    for part in route.path.split("/"):
        if part.startswith("{"):
            name = part.strip("{}")
            description, schema = _PATH_PARAMETERS[name]
            parameter = {"name": name, "in": "path", "required": True, "schema": schema}
            yield parameter | {"description": description}


def _header_parameters(route: Route) -> Iterable[Schema]:
    for name, header in (route.headers | route.more_headers).items():
        schema = {"type": "string", "pattern": f"^{header.pattern}$"}
        required = name in route.headers
        yield {"name": name, "in": "header", "required": required, "schema": schema, "description": header.means}


def _query_parameters(route: Route) -> Iterable[Schema]:
    (_,), components = msgspec.json.schema_components([route.query], schema_hook=describe)
    for name, schema in components[route.query.__name__]["properties"].items():
        told = {key: value for key, value in schema.items() if key != "description"}
        parameter = {"name": name, "in": "query", "required": False, "schema": told}
        yield parameter | ({"description": schema["description"]} if "description" in schema else {})


def _responses(route: Route, schema_of: Schema) -> Schema:
    schema = {"type": "string", "format": "binary"} if route.answer is None else schema_of[repr(_answer_type(route))]
    others = {media: {"schema": {"type": "string"}} for media in route.also}
    good: Schema = {"description": "As asked.", "content": {route.media: {"schema": schema}, **others}}
    responses: Schema = {"200": good}
    if route.method == "GET" and route.media == "application/json" and route.etag:
        responses["304"] = {"description": "The client has it already: `If-None-Match`."}
    problems = {**_PROBLEMS, **route.problems}
    problems |= _BODY_PROBLEMS if route.body is not None else {}
    problems |= _OTHER_SITES if route.method != "GET" else {}
    problems |= _ERASED if _has_a_past(route) else {}
    return responses | _problems(problems, schema_of)


def _problems(told: dict[str, str], schema_of: Schema) -> Schema:
    content = {"application/problem+json": {"schema": schema_of[repr(ProblemDocument)]}}
    return {status: {"description": text, "content": content} for status, text in sorted(told.items())}


def _has_a_past(route: Route) -> bool:
    """Whether the route returns one thing as it was, which may have been erased."""
    return "{id}" in route.path and issubclass(route.query, Timed)


def _answer_type(route: Route) -> Any:
    if route.page is not None:
        return route.page
    return Page[route.answer] if route.paged else route.answer  # type: ignore[name-defined]
