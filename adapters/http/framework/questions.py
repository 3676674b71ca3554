"""The API's questions, put from within: what a page shows is what the API answers, asked with the same parameters."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from adapters.config import Token
from adapters.http.framework.api import Api
from adapters.http.framework.endpoints import Endpoints
from adapters.http.framework.problems import Busy, Conflict
from adapters.http.framework.routes import Route
from adapters.http.framework.tokens import asker_with
from adapters.sql import TooLong, Unavailable, sharing

AWAY = "the database is away: ask again"
TOO_LONG = "the question took longer than the service gives one: ask for less (a smaller limit, one source), or later"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, as `presenters.shapes` has it, and the parameters that it was asked with, also those of a cursor."""

    answer: Any
    parameters: dict[str, str]


class Questions:
    """Every operation of the API by its name. Any thread may ask."""

    def __init__(self, api: Api, routes: Sequence[Route]) -> None:
        self._api = api
        self._endpoints = Endpoints(api)
        self._routes = {route.name: route for route in routes}

    def sources(self, token: Token | None) -> Mapping[str, str]:
        """The configured sources' providers by name, of those that the token's holder may know of."""
        api = self._api.limited_to(asker_with(token).only)
        return {name: source.provider for name, source in api.sources.items()}

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """A block whose questions, of one asker, read what they have in common of the past once."""
        with sharing():
            yield

    def head(self) -> int:
        """The log's last position. Raises Problem."""
        with _away_as_busy():
            return self._api.reads.head()

    def ask(self, name: str, token: Token | None, parameters: Mapping[str, str], /, **path: str) -> Told:
        """The answer. `token`: whose question it is; None: nobody's, where none is configured. Raises Problem."""
        route = self._routes[name]
        by = asker_with(token, route)
        with _away_as_busy():
            return Told(*self._endpoints.told(route, path, dict(parameters), by))

    def do(self, name: str, token: Token | None, document: dict[str, Any], /, **path: str) -> Any:
        """What a POST of that document is answered with. Raises Problem."""
        if name not in self._routes:
            raise Conflict("this service only reads: go to the one that writes")
        route = self._routes[name]
        by = asker_with(token, route)
        with _away_as_busy():
            return self._endpoints.done(route, path, document, by)

    def note(self, kind: str, token: Token | None, hourly: str, **what: Any) -> None:
        """Records in the log what somebody is about to be shown. Raises Problem: what is not recorded is not shown."""
        with _away_as_busy():
            self._api.record(kind, by=asker_with(token).who, hourly=hourly, **what)

    def opening(self, name: str, parameters: Mapping[str, str]) -> str:
        """A cursor for the first page of a list: filters that are personal stand in no URL that we make."""
        return self._endpoints.opening(self._routes[name].path, dict(parameters))


@contextmanager
def _away_as_busy() -> Iterator[None]:
    try:
        yield
    except TooLong as error:
        raise Busy(TOO_LONG) from error
    except Unavailable as error:
        raise Busy(AWAY) from error
