"""The two time axes of a query: `as_of` (what had happened by then) and `known_at` (what had been recorded by then)."""

from collections.abc import Callable
from typing import Any, TypeVar

from adapters.http.framework.problems import Gone, NotFound
from adapters.http.framework.routes import Ask
from adapters.sql import Erased
from core.clocks import Clocks

T = TypeVar("T")


def clocks_of(ask: Ask[Any]) -> Clocks | None:
    """The times of a query; None for the present as it is stored.

    If this code's projections are not built, the present is folded from the log, too.
    """
    query = ask.query
    asked = {
        "as_of": given(getattr(query, "as_of", None)),
        "known_at": given(getattr(query, "known_at", None)),
        "position": given(getattr(query, "known_at_position", None)),
    }
    if set(asked.values()) == {None} and ask.api.current.is_built():
        return None
    return ask.api.as_of.clocks(**asked)


def unless_erased(kind: str, find: Callable[[], T | None]) -> T | None:
    """The result of `find`; None if nothing was known by then. Raises Gone if it was erased."""
    try:
        return find()
    except Erased:
        raise Gone(f"the {kind} was erased: what it was earlier cannot be told any more") from None


def known(kind: str, find: Callable[[], T | None]) -> T:
    """The result of `find`. Raises NotFound if nothing was known by then, Gone if it was erased."""
    found = unless_erased(kind, find)
    if found is None:
        raise NotFound(f"no such {kind}, or nothing of it by then")
    return found


def given(value: Any) -> int | None:
    """A parameter's number, or None if it was not sent. Zero is a value: the year 1970, or the position before the
    first.
    """
    return value if isinstance(value, int) else None
