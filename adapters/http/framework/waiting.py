"""Waiting for the log to grow: without a thread where the server carries on, else without taking every thread."""

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
"""In the WSGI environment, where a server knows it: a function, true once the client left or the service stops."""

_NOTHING = Wanted(sources=frozenset())
"""No event fits: a fold that is done is no event."""

_SOON = 0.02
_EVERY = 0.1


class Waiting:
    """At most a quarter of the threads may wait; `folded` tells the log's last position, and up to which all is folded.

    `patience`: seconds for which one waits to read its own write.
    """

    def __init__(self, folded: Callable[[], tuple[int, int]], threads: int, patience: float) -> None:
        self._folded = folded
        self._patience = patience
        self._slots = BoundedSemaphore(max(1, threads // 4))
        self.taken = Gauge(
            "hookfold_waiting_requests", "Requests that hold a thread while they wait or follow.", registry=None
        )

    def slot(self, parameter: str | None = None) -> ExitStack:
        """One of the slots, until the stack is closed. Raises Busy, which names the parameter, where none is free."""
        if not self._slots.acquire(blocking=False):
            raise Busy("too many requests are waiting: ask again", parameter=parameter)
        slot = ExitStack()
        slot.callback(self._slots.release)
        slot.enter_context(self.taken.track_inprogress())
        return slot

    def until(self, position: int, environ: dict[str, Any]) -> None:
        """Returns once that position is there, and folded. Raises Behind past the time for it, Busy, PutOff."""
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
    """A look now, and others, with pauses between, until that time is over or `ending` says so."""
    end = monotonic() + seconds
    yield
    while (left := end - monotonic()) > 0 and not ending():
        sleep(min(every, left))
        yield


def ending_of(environ: dict[str, Any]) -> Callable[[], bool]:
    """What tells of a request that nobody has to wait for any more; never, where the server does not know."""
    ending: Callable[[], bool] = environ.get(ENDING, bool)
    return ending


def carried_of(environ: dict[str, Any]) -> Carried | None:
    """What the server says of a request that it can carry on with; None where it cannot."""
    carried: Carried | None = environ.get(CARRIED)
    return carried
