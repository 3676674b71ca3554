"""Follows the log: page after page behind a position."""

from collections.abc import Callable, Sequence

from adapters.sql import Recorded


class Follower:
    """Reads events behind a position; `read` is asked only once the log has gone beyond what was seen of it."""

    def __init__(self, head: Callable[[], int], read: Callable[[int], Sequence[Recorded]], after: int) -> None:
        self._head = head
        self._read = read
        self._after = after

    def page(self) -> Sequence[Recorded]:
        """The next events that fit; none where there are none yet. Raises Unavailable.

        No position up to the head comes later, so where none of them fits, all of them are done with.
        """
        head = self._head()
        if head <= self._after:
            return []
        rows = self._read(self._after)
        self._after = rows[-1].position if rows else head
        return rows
