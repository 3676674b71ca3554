"""Who may ask what of `/v1`: bearer tokens (RFC 6750), asked for before anything is told of what is there."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from flask import Flask, g, request

from adapters.config import Token
from adapters.http.framework.holders import Holders
from adapters.http.framework.problems import Forbidden, Limited, Unauthorized
from adapters.http.framework.routes import Route

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
"""RFC 6750, 2.1; a scheme's case means nothing (RFC 9110, 11.1). A header that comes twice is joined, and is none."""


METRICS = "metrics"
"""The endpoint that is under no `/v1` and tells of every source."""


class Asker(NamedTuple):
    """Who asks: the name of a token, None where none is asked for. `only`: the sources to know of; None: all."""

    who: str | None = None
    only: frozenset[str] | None = None


EVERYBODY: Final = Asker()


def asker_with(token: Token | None, route: Route | None = None) -> Asker:
    """Whose token it is, of who may ask such a question. Raises Forbidden, Limited."""
    if token is None:
        return EVERYBODY
    if route is not None and route.scope is not None and route.scope not in token.scopes:
        raise Forbidden(route.scope)
    if route is not None and route.whole and token.only is not None:
        raise Limited(token.sources)
    return Asker(token.name, token.only)


class Gate:
    """Stands before `/v1`; where a token is limited to some sources, before all that tells of a source."""

    def __init__(self, holders: Holders, routes: Iterable[Route]) -> None:
        self._holders = holders
        self._routes = {route.name: route for route in routes}

    def watch(self, app: Flask) -> None:
        """Has every request under `/v1` pass, also one that leads nowhere; without a token there is no gate."""
        if self._holders:
            app.before_request(self._pass)

    def _pass(self) -> None:
        """Notes who asks. Raises Unauthorized, Forbidden, Limited."""
        if f"{request.path}/".startswith("/v1/"):
            g.asker = asker_with(self._holder(), self._routes.get(request.endpoint or ""))
        elif self._holders.some_limited:
            g.asker = self._without(request.endpoint == METRICS)

    def _without(self, whole: bool) -> Asker:
        """Who asks where no token is needed: it opens what it opens elsewhere, and without one no source is known."""
        if whole and (only := asker_with(self._holder()).only) is not None:
            raise Limited(sorted(only))
        try:
            return asker_with(self._holder())
        except Unauthorized:
            return Asker(only=frozenset())

    def _holder(self) -> Token:
        given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if given is None:
            raise Unauthorized("send a token: Authorization: Bearer ...")
        found = self._holders.holder(given[1])
        if found is None:
            raise Unauthorized("this token is none of ours", error="invalid_token")
        return found


def asker() -> Asker:
    """Who put the question that is answered."""
    found: Asker = g.get("asker", EVERYBODY)
    return found
