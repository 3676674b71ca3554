"""Authorization of `/v1` by bearer tokens (RFC 6750), checked before anything is revealed."""

import re
from collections.abc import Iterable
from typing import Final, NamedTuple

from flask import Flask, g, request

from adapters.config import Token
from adapters.http.framework.holders import Holders
from adapters.http.framework.problems import Forbidden, Limited, Unauthorized
from adapters.http.framework.routes import Route

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
"""RFC 6750, 2.1. A scheme's case is insignificant (RFC 9110, 11.1). A repeated header is joined and does not match."""


METRICS = "metrics"
"""The endpoint outside `/v1` that shows every source."""


class Caller(NamedTuple):
    """The caller of the API. `who` is the name of its token; None if no tokens are configured.

    `only` is the set of sources that the token permits; None permits all.
    """

    who: str | None = None
    only: frozenset[str] | None = None


EVERYBODY: Final = Caller()


def caller_with(token: Token | None, route: Route | None = None) -> Caller:
    """The sender with this token, if it permits the route. Raises Forbidden, Limited."""
    if token is None:
        return EVERYBODY
    if route is not None and route.scope is not None and route.scope not in token.scopes:
        raise Forbidden(route.scope)
    if route is not None and route.whole and token.only is not None:
        raise Limited(token.sources)
    return Caller(token.name, token.only)


class Gate:
    """Checks tokens under `/v1`. If a token is limited to some sources, also on other paths that reveal a source."""

    def __init__(self, holders: Holders, routes: Iterable[Route]) -> None:
        self._holders = holders
        self._routes = {route.name: route for route in routes}

    def watch(self, app: Flask) -> None:
        """Checks every request under `/v1`, even to unknown paths. Without configured tokens there is no check."""
        if self._holders:
            app.before_request(self._pass)

    def _pass(self) -> None:
        """Stores the request's token. Raises Unauthorized, Forbidden, Limited."""
        if f"{request.path}/".startswith("/v1/"):
            g.caller = caller_with(self._holder(), self._routes.get(request.endpoint or ""))
        elif self._holders.some_limited:
            g.caller = self._without(request.endpoint == METRICS)

    def _without(self, whole: bool) -> Caller:
        """The sender on paths that need no token.

        A token that is sent there covers its sources. Without one, no source is covered.
        """
        if whole and (only := caller_with(self._holder()).only) is not None:
            raise Limited(sorted(only))
        try:
            return caller_with(self._holder())
        except Unauthorized:
            return Caller(only=frozenset())

    def _holder(self) -> Token:
        given = _BEARER.fullmatch(request.headers.get("Authorization", ""))
        if given is None:
            raise Unauthorized("send a token: Authorization: Bearer ...")
        found = self._holders.holder(given[1])
        if found is None:
            raise Unauthorized("this token is none of ours", error="invalid_token")
        return found


def caller() -> Caller:
    """The sender of the current request."""
    found: Caller = g.get("caller", EVERYBODY)
    return found
