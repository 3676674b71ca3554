"""Route declarations: each registers a view, checks its requests, and describes it in the OpenAPI document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from adapters.config import Scope
from adapters.http.framework.api import Api
from adapters.http.framework.queries import Plain
from core.event import Instant

OPEN: Final = None
"""The scope of routes that need no token."""

Q_co = TypeVar("Q_co", bound=msgspec.Struct, covariant=True)
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Registers a view and returns it unchanged."""

    def __call__(self, view: View) -> View: ...


@dataclass(frozen=True, slots=True)
class Ask(Generic[Q_co]):
    """A request as a view takes it. `path` has the path's variables, `after` the key from a cursor.

    `who` is the name of the request's token; None if no tokens are configured.
    """

    api: Api
    query: Q_co
    path: dict[str, str]
    after: Any
    who: str | None = None

    @property
    def now(self) -> Instant:
        """The time for derived values: the requested `now`, else the requested time in the past, else the present."""
        asked = (getattr(self.query, name, None) for name in ("now", "as_of", "known_at"))
        return next((int(one) for one in asked if isinstance(one, int)), self.api.clock())


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page: its items, and the last one's key if more follow. `page` combines items and cursor into the response."""

    items: list[T]
    following: Any = None
    page: Callable[[list[T], str | None], Any] | None = None

    def answer(self, cursor: str | None) -> Any:
        """The complete result."""
        return (self.page or Page)(self.items, cursor)


class Page(msgspec.Struct, Generic[T]):
    """A page of a list. `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None


class Header(NamedTuple):
    """A header of an operation: its meaning, and a regular expression that its whole value must match."""

    means: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `scope` is what a token needs; OPEN is only for paths outside `/v1`.

    `answer` is the type of a page's items or of the whole response; None: see `media`. `headers` are required,
    `more_headers` optional. `also` are further media types of the response. `page` is the type that holds items and
    cursor, if it has more fields. `etag`: a GET's response has one. `problems` are the route's own statuses and their
    meanings. `unhurried`: no time limit applies. `primary`: a replica is not used. `whole`: the route covers the whole
    log or operations on it, and refuses tokens limited to some sources.
    """

    method: str
    scope: Scope | None
    path: str
    view: Callable[..., Any]
    query: type[msgspec.Struct]
    answer: Any
    paged: bool = False
    body: type[msgspec.Struct] | None = None
    headers: dict[str, Header] = field(default_factory=dict)
    more_headers: dict[str, Header] = field(default_factory=dict)
    media: str = "application/json"
    also: tuple[str, ...] = ()
    page: type[msgspec.Struct] | None = None
    etag: bool = True
    problems: dict[str, str] = field(default_factory=dict)
    unhurried: bool = False
    primary: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if (self.scope is OPEN) is self.path.startswith("/v1/"):
            raise ValueError(f"{self.path}: what is under /v1, and nothing else, has a scope")

    @property
    def rule(self) -> str:
        """The path in Flask's syntax."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def summary(self) -> str:
        """The view's docstring, as the route's description."""
        return " ".join((self.view.__doc__ or "").split())


class Routes:
    """The routes of one module."""

    def __init__(self) -> None:
        self.all: list[Route] = []

    def one(self, scope: Scope | None, path: str, query: type[msgspec.Struct], answer: Any, **more: Any) -> Decorator:
        """A decorator: the view answers GET with one thing; `more` are fields of Route."""
        return self._add(lambda view: Route("GET", scope, path, view, query, answer, **more))

    def many(self, scope: Scope, path: str, query: type[msgspec.Struct], item: Any, **more: Any) -> Decorator:
        """A decorator: the view answers GET with a Listing of such items; `more` are fields of Route."""
        return self._add(lambda view: Route("GET", scope, path, view, query, item, paged=True, **more))

    def post(self, scope: Scope, path: str, body: type[msgspec.Struct], answer: Any, **more: Any) -> Decorator:
        """A decorator: the view takes a JSON body, and no query, and answers POST; `more` are fields of Route."""
        return self._add(lambda view: Route("POST", scope, path, view, Plain, answer, body=body, **more))

    def _add(self, route_of: Callable[[Callable[..., Any]], Route]) -> Decorator:
        def register(view: View) -> View:
            self.all.append(route_of(view))
            return view

        return register


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Any]) -> tuple[Sequence[T], Any]:
    """Splits rows that were read with one too many into the page and, if more follow, its last row's key."""
    page = rows[:limit]
    return page, key(page[-1]) if len(rows) > limit else None


def listing_of(everything: Sequence[T], limit: int, after: Any, key: Callable[[T], Any]) -> Listing[T]:
    """Paginates a sequence in memory.

    The page has up to `limit` items after the one with the key `after`, or from the start if no item has that key.
    """
    start = next((at for at, item in enumerate(everything, 1) if key(item) == after), 0) if after is not None else 0
    page, following = page_of(everything[start : start + limit + 1], limit, key)
    return Listing(list(page), following)
