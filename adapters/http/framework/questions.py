"""In-process access to the API: pages of the console show what the API returns for the same parameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.config import Token
from adapters.http.framework.api import Api
from adapters.http.framework.endpoints import Endpoints
from adapters.http.framework.problems import Busy, Conflict
from adapters.http.framework.routes import Route
from adapters.http.framework.tokens import caller_with
from adapters.sql import TooLong, Unavailable, sharing
from core.instants import moment_of

AWAY = "the database is away: ask again"
TOO_LONG = "the question took longer than the service gives one: ask for less (a smaller limit, one source), or later"


@dataclass(frozen=True, slots=True)
class Told:
    """A result in the types of `presenters.shapes`, and its parameters, including those of a cursor."""

    answer: Any
    parameters: dict[str, str]


class Questions:
    """Every operation of the API by name. Thread-safe."""

    def __init__(self, api: Api, routes: Sequence[Route]) -> None:
        self._api = api
        self._endpoints = Endpoints(api)
        self._routes = {route.name: route for route in routes}

    def sources(self, token: Token | None) -> Mapping[str, str]:
        """The providers of the configured sources that the token covers, by source name."""
        api = self._api.limited_to(caller_with(token).only)
        return {name: source.provider for name, source in api.sources.items()}

    def now(self) -> datetime:
        """The time by the API's clock, UTC."""
        return moment_of(self._api.clock())

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Within the block, queries of one token share what they read of the past."""
        with sharing():
            yield

    def head(self) -> int:
        """The log's last position. Raises Problem."""
        with _away_as_busy():
            return self._api.reads.head()

    def ask(self, name: str, token: Token | None, parameters: Mapping[str, str], /, **path: str) -> Told:
        """Performs a GET and returns the result. `token` is None if no tokens are configured. Raises Problem."""
        route = self._routes[name]
        by = caller_with(token, route)
        with _away_as_busy():
            return Told(*self._endpoints.told(route, path, dict(parameters), by))

    def do(self, name: str, token: Token | None, document: dict[str, Any], /, **path: str) -> Any:
        """Performs a POST with `document` as its body and returns the result. Raises Problem."""
        if name not in self._routes:
            raise Conflict("this service only reads: go to the one that writes")
        route = self._routes[name]
        by = caller_with(token, route)
        with _away_as_busy():
            return self._endpoints.done(route, path, document, by)

    def note(self, kind: str, token: Token | None, hourly: str, **what: Any) -> None:
        """Records in the access log what will be shown to whom. If it raises Problem, nothing may be shown."""
        with _away_as_busy():
            self._api.record(kind, by=caller_with(token).who, hourly=hourly, **what)

    def opening(self, name: str, parameters: Mapping[str, str]) -> str:
        """A cursor for the first page of a list, so that personal filters do not appear in URLs."""
        return self._endpoints.opening(self._routes[name].path, dict(parameters))


@contextmanager
def _away_as_busy() -> Iterator[None]:
    try:
        yield
    except TooLong as error:
        raise Busy(TOO_LONG) from error
    except Unavailable as error:
        raise Busy(AWAY) from error
