"""Connects Flask with the views: parses requests strictly, waits if requested, and turns results into responses."""

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
from flask import Request, Response, has_request_context, request

from adapters.audit import Uncovered
from adapters.http.framework.answers import json_answer
from adapters.http.framework.api import Api
from adapters.http.framework.cursors import CursorContent, Cursors
from adapters.http.framework.parameters import as_document, as_query, read_query
from adapters.http.framework.problems import BadRequest, Behind, CrossSite, NotJson, TooLarge
from adapters.http.framework.routes import Ask, Listing, Route
from adapters.http.framework.tokens import Caller, caller
from adapters.sql import TooLong, Unavailable, time_limit

T = TypeVar("T")

LARGEST_BODY = 16_384
"""The largest JSON body that the query API accepts, in bytes."""

Parameters = dict[str, str]

_WITH_A_CURSOR = {"cursor", "limit", "now", "min_position", "wait"}
_OF_ONE_PAGE = {"wait"}


class Endpoints:
    """Turns routes into Flask's view functions."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._cursors = Cursors(api.ids.subkey("cursors"))

    def of(self, route: Route) -> Callable[..., Response]:
        """The view function of a route."""

        def endpoint(**path: str) -> Response:
            given, by = read_query(request.query_string), caller()

            def answer(api: Api) -> Response:
                ask, parameters = self._ask(api, route, path, request.path, given, by)
                with self._limit(route, ask.query):
                    return self._answer(_viewed(route, ask), parameters)

            return self._of_either(route, answer)

        return endpoint

    def told(self, route: Route, path: dict[str, str], given: dict[str, str], by: Caller) -> tuple[Any, Parameters]:
        """The result of a GET before it is encoded, and its parameters, including those of a cursor."""
        where = route.path.format(**path)

        def tell(api: Api) -> tuple[Any, Parameters]:
            ask, parameters = self._ask(api, route, path, where, given, by)
            with self._limit(route, ask.query):
                result = route.view(ask)
            if isinstance(result, Listing):
                return result.answer(self._cursor(where, parameters, result.following)), parameters
            return result, parameters

        return self._of_either(route, tell)

    def done(self, route: Route, path: dict[str, str], document: dict[str, Any], by: Caller) -> Any:
        """The result of a POST before it is encoded."""
        ask, _ = self._ask(self._api, route, path, route.path.format(**path), {}, by)
        with self._limit(route, ask.query):
            return route.view(ask, as_document(route.body or msgspec.Struct, document))

    def opening(self, where: str, parameters: Parameters) -> str:
        """A cursor for the first page of a list, which contains the filters in encrypted form."""
        return self._cursors.seal(where, CursorContent(parameters, None))

    def _of_either(self, route: Route, answer: Callable[[Api], T]) -> T:
        """The replica's answer if one is configured.

        The primary's if the replica is away, behind `min_position`, or has no checkpoint that covers the answer.
        """
        replica = self._api.replica
        if replica is not None and route.method == "GET" and not route.primary:
            try:
                return answer(replica)
            except TooLong:
                raise
            except (Behind, Uncovered, Unavailable):
                return answer(self._api)
        return answer(self._api)

    def _ask(
        self, api: Api, route: Route, path: dict[str, str], where: str, given: dict[str, str], by: Caller
    ) -> tuple[Ask[Any], Parameters]:
        parameters, after = self._parameters(where, given)
        query = as_query(route.query, parameters)
        if at_least := getattr(query, "min_position", None):
            api.waiting.until(at_least, request.environ if has_request_context() else {})
        return Ask(api.limited_to(by.only), query, path, after, by.who), parameters

    def _limit(self, route: Route, query: msgspec.Struct) -> AbstractContextManager[None]:
        return nullcontext() if route.unhurried else time_limit(self._api.limit, getattr(query, "wait", None) or 0)

    def _parameters(self, where: str, asked: dict[str, str]) -> tuple[Parameters, Any]:
        """The parameters and the key after which the page begins. A cursor has its own parameters; others must equal
        them.
        """
        given = {name: value for name, value in asked.items() if name != "cursor"}
        cursor = asked.get("cursor")
        if cursor is None:
            return given, None
        place = self._cursors.open(where, cursor)
        for name, value in given.items():
            if name not in _WITH_A_CURSOR and place.parameters.get(name) != value:
                raise BadRequest(f"{name}: the cursor says otherwise; a cursor is sent alone", parameter=name)
        return place.parameters | given, place.after

    def _answer(self, result: Any, parameters: dict[str, str]) -> Response:
        if isinstance(result, Response):
            return result
        if not isinstance(result, Listing):
            return json_answer(result, request)
        cursor = self._cursor(request.path, parameters, result.following)
        link = f"{request.path}?cursor={cursor}" if cursor else None
        return json_answer(result.answer(cursor), request, link, result.following)

    def _cursor(self, where: str, parameters: Parameters, following: Any) -> str | None:
        """The next page's cursor; None if nothing follows."""
        if following is None:
            return None
        carried = {name: value for name, value in parameters.items() if name not in _OF_ONE_PAGE}
        return self._cursors.seal(where, CursorContent(carried, following))


def _viewed(route: Route, ask: Ask[Any]) -> Any:
    if route.method != "GET":
        _refuse_other_sites(request, ask.api.base_url)
    if not route.body:
        return route.view(ask)
    missing = [name for name in route.headers if name not in request.headers]
    return route.view(ask, read_document(request, route.body, missing))


def _refuse_other_sites(asked: Request, base_url: str) -> None:
    """Raises CrossSite if a browser sends the request for a page of another site: any page may send a POST without a
    body.

    Browsers send `Sec-Fetch-Site` (Fetch Metadata), older ones `Origin`; other clients send neither. A proxy may use
    another host name than the browser, which `base_url` has.
    """
    origin = asked.headers.get("Origin")
    site = asked.headers.get("Sec-Fetch-Site")
    ours = {asked.host, urlsplit(base_url).netloc}
    foreign = site not in {"same-origin", "none"} if site else origin and urlsplit(origin).netloc not in ours
    if foreign:
        raise CrossSite("a page of another site may not do this: ask from a page of this service, or without a browser")


def read_document(asked: Request, kind: type[msgspec.Struct], missing: Sequence[str] = ()) -> msgspec.Struct:
    """Parses the JSON body as that struct. No body is an empty object. `missing` are required headers that were not
    sent.

    Raises TooLarge, NotJson, BadRequest.
    """
    if (asked.content_length or 0) > LARGEST_BODY:
        raise TooLarge(f"at most {LARGEST_BODY} bytes")
    if asked.mimetype not in {"application/json", ""} or asked.content_encoding:
        raise NotJson("send application/json, not encoded")
    body = asked.stream.read(LARGEST_BODY + 1)
    if len(body) > LARGEST_BODY:
        raise TooLarge(f"at most {LARGEST_BODY} bytes")
    return as_document(kind, _object(body) if body else {}, missing)


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body.decode(), object_pairs_hook=_once)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(document, dict):
        raise BadRequest("the body is not a JSON object")
    return document


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields as a dict. Refuses repeated ones instead of guessing which was meant."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        shown = twice.encode("utf-8", "replace").decode()
        raise BadRequest(f"{shown}: given more than once", parameter=shown)
    return fields
