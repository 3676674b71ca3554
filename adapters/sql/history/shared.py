"""A cache for one page: its queries share what was read and folded."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

T = TypeVar("T")

_shared: ContextVar[dict[Hashable, Any] | None] = ContextVar("shared", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Within the block, in one thread, queries about the same past share what they read and fold."""
    token = _shared.set({})
    try:
        yield
    finally:
        _shared.reset(token)


def once(key: Hashable, make: Callable[[], T]) -> T:
    """The first result of `make` for a key within the block; outside of one, `make` is called each time."""
    shared = _shared.get()
    if shared is None:
        return make()
    if key not in shared:
        shared[key] = make()
    found: T = shared[key]
    return found
