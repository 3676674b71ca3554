"""Between Flask and the views: reads what is asked, strictly, waits where asked to, and turns results into answers."""

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import msgspec
from flask import Request, Response, request

from adapters.http.framework.answers import json_answer
from adapters.http.framework.api import Api
from adapters.http.framework.cursors import Cursors, Place
from adapters.http.framework.parameters import as_document, as_query, is_optional, read_query
from adapters.http.framework.problems import BadRequest, NotJson, TooLarge
from adapters.http.framework.routes import Ask, Listing, Route
from adapters.http.framework.tokens import who
from adapters.sql import time_limit

LARGEST_BODY = 16_384
"""Bytes of a JSON body that the query API takes."""

_WITH_A_CURSOR = {"cursor", "limit", "now", "min_position", "wait"}
_OF_ONE_PAGE = {"wait"}


class Endpoints:
    """Makes Flask's view functions of routes."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._cursors = Cursors(api.ids.subkey("cursors"))

    def of(self, route: Route) -> Callable[..., Response]:
        """The function that answers the route's requests."""

        def endpoint(**path: str) -> Response:
            parameters, after = self._parameters(request)
            query = as_query(route.query, parameters)
            if at_least := getattr(query, "min_position", None):
                self._api.waiting.until(at_least)
            ask = Ask(self._api, query, path, after, who())
            with self._limit(route, query):
                result = route.view(ask, read_document(request, route.body)) if route.body else route.view(ask)
                return self._answer(result, parameters)

        return endpoint

    def _limit(self, route: Route, query: msgspec.Struct) -> AbstractContextManager[None]:
        return nullcontext() if route.unhurried else time_limit(self._api.limit, getattr(query, "wait", None) or 0)

    def _parameters(self, asked: Request) -> tuple[dict[str, str], Any]:
        """The parameters and the key to go on behind. A cursor brings its own parameters: others must agree."""
        given = read_query(asked.query_string)
        cursor = given.pop("cursor", None)
        if cursor is None:
            return given, None
        place = self._cursors.open(asked.path, cursor)
        for name, value in given.items():
            if name not in _WITH_A_CURSOR and place.parameters.get(name) != value:
                raise BadRequest(f"{name}: the cursor says otherwise; a cursor is sent alone", parameter=name)
        return place.parameters | given, place.after

    def _answer(self, result: Any, parameters: dict[str, str]) -> Response:
        if isinstance(result, Response):
            return result
        if not isinstance(result, Listing):
            return json_answer(result, request)
        if result.following is None:
            return json_answer(result.answer(None), request)
        carried = {name: value for name, value in parameters.items() if name not in _OF_ONE_PAGE}
        cursor = self._cursors.seal(request.path, Place(carried, result.following))
        return json_answer(result.answer(cursor), request, f"{request.path}?cursor={cursor}", result.following)


def read_document(asked: Request, kind: type[msgspec.Struct]) -> msgspec.Struct:
    """The JSON body as that struct; no body is an empty object where that will do.

    Raises TooLarge, NotJson, BadRequest.
    """
    if (asked.content_length or 0) > LARGEST_BODY:
        raise TooLarge(f"at most {LARGEST_BODY} bytes")
    if asked.mimetype not in {"application/json", ""} or asked.content_encoding:
        raise NotJson("send application/json, not encoded")
    body = asked.stream.read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"at most {LARGEST_BODY} bytes")
    return as_document(kind, {} if not body and is_optional(kind) else _object(body))


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(document, dict):
        raise BadRequest("the body is not a JSON object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A field that is given twice is no field: which one was meant is not guessed."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        shown = twice.encode("utf-8", "replace").decode()
        raise BadRequest(f"{shown}: given more than once", parameter=shown)
    return fields
