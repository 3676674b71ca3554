"""Who may ask what of `/v1`: bearer tokens (RFC 6750), asked for before anything is told of what is there."""

import re
from collections.abc import Iterable

from flask import Flask, g, request

from adapters.config import Token
from adapters.http.framework.holders import Holders
from adapters.http.framework.problems import Forbidden, Unauthorized
from adapters.http.framework.routes import Route

_BEARER = re.compile(r"(?i:bearer) +([A-Za-z0-9._~+/-]+=*)")
"""RFC 6750, 2.1; a scheme's case means nothing (RFC 9110, 11.1). A header that comes twice is joined, and is none."""


class Gate:
    """Stands before `/v1`."""

    def __init__(self, holders: Holders, routes: Iterable[Route]) -> None:
        self._holders = holders
        self._scopes = {route.name: route.scope for route in routes}

    def watch(self, app: Flask) -> None:
        """Has every request under `/v1` pass, also one that leads nowhere; without a token there is no gate."""
        if self._holders:
            app.before_request(self._pass)

    def _pass(self) -> None:
        """Notes who asks. Raises Unauthorized, Forbidden. Every route that has a scope is under `/v1`, and no other."""
        if not f"{request.path}/".startswith("/v1/"):
            return
        token = self._holder(request.headers.get("Authorization", ""))
        scope = self._scopes.get(request.endpoint or "")
        if scope is not None and scope not in token.scopes:
            raise Forbidden(scope)
        g.who = token.name

    def _holder(self, credentials: str) -> Token:
        given = _BEARER.fullmatch(credentials)
        if given is None:
            raise Unauthorized("send a token: Authorization: Bearer ...")
        found = self._holders.holder(given[1])
        if found is None:
            raise Unauthorized("this token is none of ours", error="invalid_token")
        return found


def who() -> str | None:
    """The name of the token that the request came with; None where none is asked for."""
    name: str | None = g.get("who")
    return name
