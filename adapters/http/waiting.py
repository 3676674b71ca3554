"""Read-your-writes: waits until the log has come to a position, without letting those who wait take every thread."""

from collections.abc import Callable
from threading import BoundedSemaphore
from time import monotonic, sleep

from adapters.http.problems import Busy

_EVERY = 0.02


class Waiting:
    """At most a quarter of the threads may wait, each for `patience` seconds; `head` tells the log's last position."""

    def __init__(self, head: Callable[[], int], threads: int, patience: float) -> None:
        self._head = head
        self._patience = patience
        self._slots = BoundedSemaphore(max(1, threads // 4))

    def until(self, position: int) -> None:
        """Returns once that position is committed and folded. Raises Busy where it does not come in time."""
        if self._head() >= position:
            return
        if not self._slots.acquire(blocking=False):
            raise Busy("too many requests are waiting: ask again", parameter="min_position")
        try:
            self._wait(position)
        finally:
            self._slots.release()

    def _wait(self, position: int) -> None:
        end = monotonic() + self._patience
        while monotonic() < end:
            sleep(_EVERY)
            if self._head() >= position:
                return
        raise Busy(f"the log did not come to position {position} in time: ask again", parameter="min_position")
