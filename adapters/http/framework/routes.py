"""Routes as declarations: one registers a view, checks what is sent to it, and describes it in the OpenAPI document."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from adapters.config import Scope
from adapters.http.framework.api import Api
from core.event import Instant

OPEN: Final = None
"""The scope of what asks for no token."""

Q_co = TypeVar("Q_co", bound=msgspec.Struct, covariant=True)
T = TypeVar("T")
View = TypeVar("View", bound=Callable[..., Any])


class Decorator(Protocol):
    """Registers a view and gives it back as it is."""

    def __call__(self, view: View) -> View: ...


@dataclass(frozen=True, slots=True)
class Ask(Generic[Q_co]):
    """A question as a view takes it. `path`: the path's variables. `after`: the key that a cursor held.

    `who`: the name of the token that it came with; None where none is asked for.
    """

    api: Api
    query: Q_co
    path: dict[str, str]
    after: Any
    who: str | None = None

    @property
    def now(self) -> Instant:
        """The time at which what depends on it is worked out: as asked for, else that of the past that is asked for."""
        asked = (getattr(self.query, name, None) for name in ("now", "as_of", "known_at"))
        return next((int(one) for one in asked if isinstance(one, int)), self.api.clock())


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A page: its items, and the key of the last one where more follow. `page` makes the answer of items and cursor."""

    items: list[T]
    following: Any = None
    page: Callable[[list[T], str | None], Any] | None = None

    def answer(self, cursor: str | None) -> Any:
        """The whole answer."""
        return (self.page or Page)(self.items, cursor)


class Page(msgspec.Struct, Generic[T]):
    """A page of a list. `next_cursor` is null on the last one."""

    data: list[T]
    next_cursor: str | None


class Header(NamedTuple):
    """A header that an operation takes: what it means, and how all of its value is written, as a regular expression."""

    means: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Route:
    """One method on one path. `scope`: what a token needs for it; OPEN, or None, is for what is not under `/v1`.

    `answer`: what a page holds, or the whole answer; None: see `media`.
    `headers`: those that are required. `more_headers`: those that may be sent.
    `also`: other media types of the answer, as text.
    `page`: what holds the items and the cursor, where it has more than these. `etag`: a GET's answer has one.
    `problems`: the statuses of its own, with what they mean. `unhurried`: it may take longer than a question may.
    `primary`: it is asked of the database that is written, though there is a replica.
    `whole`: it is of the whole log, or of what is done with it: who may know of some sources only is refused.
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
        """The path as Flask writes it."""
        return self.path.replace("{", "<").replace("}", ">")

    @property
    def name(self) -> str:
        return self.view.__name__

    @property
    def summary(self) -> str:
        """The view's docstring: what people read of the route."""
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

    def post(
        self,
        scope: Scope,
        path: str,
        body: type[msgspec.Struct],
        answer: Any,
        headers: dict[str, Header],
        query: type[msgspec.Struct],
        **more: Any,
    ) -> Decorator:
        """A decorator: the view takes a JSON body and answers POST; `more` are fields of Route."""
        return self._add(
            lambda view: Route("POST", scope, path, view, query, answer, body=body, headers=headers, **more)
        )

    def _add(self, route_of: Callable[[Callable[..., Any]], Route]) -> Decorator:
        def register(view: View) -> View:
            self.all.append(route_of(view))
            return view

        return register


def page_of(rows: Sequence[T], limit: int, key: Callable[[T], Any]) -> tuple[Sequence[T], Any]:
    """Cuts what was read with one row too many: the page, and the key of its last row where more follow."""
    page = rows[:limit]
    return page, key(page[-1]) if len(rows) > limit else None


def listing_of(everything: Sequence[T], limit: int, after: Any, key: Callable[[T], Any]) -> Listing[T]:
    """A page of a list that is at hand as a whole, behind the item that has the key `after`."""
    start = next((at for at, item in enumerate(everything, 1) if key(item) == after), 0) if after is not None else 0
    page, following = page_of(everything[start : start + limit + 1], limit, key)
    return Listing(list(page), following)
