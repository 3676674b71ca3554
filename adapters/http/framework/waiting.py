"""Waits for new events: without a thread if the server supports it, else in a limited number of threads."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from math import inf
from threading import BoundedSemaphore
from time import monotonic, sleep
from typing import Any

from prometheus_client import Gauge

from adapters.http.framework.carried import CARRIED, Carried, Wanted
from adapters.http.framework.problems import Behind, Busy

ENDING = "hookfold.ending"
"""The key of the WSGI environment for a function that returns true once the client has left or the service stops."""

_NOTHING = Wanted(sources=frozenset())
"""Matches no event, because the end of a fold is not an event."""

_SOON = 0.02
_EVERY = 0.1


class Waiting:
    """Lets at most a quarter of the threads wait. `folded` returns the log's last position and the one folded up to.

    `patience` is the longest wait for `min_position` in seconds.
    """

    def __init__(self, folded: Callable[[], tuple[int, int]], threads: int, patience: float) -> None:
        self._folded = folded
        self._patience = patience
        self._slots = BoundedSemaphore(max(1, threads // 4))
        self.taken = Gauge(
            "hookfold_waiting_requests", "Requests that hold a thread while they wait or follow.", registry=None
        )

    def slot(self, parameter: str | None = None) -> ExitStack:
        """Takes a slot until the stack is closed. Raises Busy with the parameter if none is free."""
        if not self._slots.acquire(blocking=False):
            raise Busy("too many requests are waiting: ask again", parameter=parameter)
        slot = ExitStack()
        slot.callback(self._slots.release)
        slot.enter_context(self.taken.track_inprogress())
        return slot

    def until(self, position: int, environ: dict[str, Any]) -> None:
        """Returns once that position is folded. Raises Behind after `patience` seconds, Busy, PutOff."""
        head, folded = self._folded()
        if folded >= position:
            return
        late = head >= position
        carried = carried_of(environ)
        if carried is None:
            with self.slot("min_position"):
                for _ in looks(self._patience, _SOON):
                    if self._folded()[1] >= position:
                        return
        elif not ending_of(environ)():
            waited = (_NOTHING, head, head, _EVERY) if late else (Wanted(), position - 1, head)
            carried.put_off("min_position", self._patience, *waited)
        what = f"position {position} was not folded" if late else f"the log did not come to position {position}"
        raise Behind(f"{what} in time: ask again", parameter="min_position")


def looks(seconds: float = inf, every: float = _EVERY, ending: Callable[[], bool] = bool) -> Iterator[None]:
    """Yields at once and then after each pause, until the time is over or `ending` returns true."""
    end = monotonic() + seconds
    yield
    while (left := end - monotonic()) > 0 and not ending():
        sleep(min(every, left))
        yield


def ending_of(environ: dict[str, Any]) -> Callable[[], bool]:
    """The function that returns true once nobody waits for the response. Without one from the server, it never does."""
    ending: Callable[[], bool] = environ.get(ENDING, bool)
    return ending


def carried_of(environ: dict[str, Any]) -> Carried | None:
    """The request's `Carried`; None if the server does not support it."""
    carried: Carried | None = environ.get(CARRIED)
    return carried
