"""The two clocks of a question: `as_of` (what had happened by then) and `known_at` (what had been recorded by then)."""

from collections.abc import Callable
from typing import Any, TypeVar

from adapters.http.framework.problems import Gone, NotFound
from adapters.http.framework.routes import Ask
from adapters.sql import Erased
from core.clocks import Clocks

T = TypeVar("T")


def clocks_of(ask: Ask[Any]) -> Clocks | None:
    """What the question is about; None for the present as it is stored.

    Where this code has folded nothing yet, the present is asked of the log: all that is recorded by now.
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
    """What is found of the past; None where nothing was known by then. Raises Gone where it was erased."""
    try:
        return find()
    except Erased:
        raise Gone(f"the {kind} was erased: what it was earlier cannot be told any more") from None


def known(kind: str, find: Callable[[], T | None]) -> T:
    """What is found of the past. Raises NotFound where nothing was known by then, Gone where it was erased."""
    found = unless_erased(kind, find)
    if found is None:
        raise NotFound(f"no such {kind}, or nothing of it by then")
    return found


def given(value: Any) -> int | None:
    """A number that was sent, or None. Zero is a value: the year 1970, or the position before the first."""
    return value if isinstance(value, int) else None
