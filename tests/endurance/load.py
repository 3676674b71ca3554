"""Senders at a service that comes and goes, and two followers of its log."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from http.client import HTTPException
from itertools import count
from threading import Event, Thread
from typing import Any

from tests.endurance.standing import PATIENCE, RELAYED, Standing, until
from tests.support.logs import wms
from tests.support.sse import RefusedError, Stream

SENDERS = 4
VISIT = 100
"""Deliveries."""
BEGIN = (
    *("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED"),
    *("MEASUREMENT_STARTED", "MEASUREMENT_CREATED"),
)
END = ("SCAN_COMPLETED", "RESULTS_RECEIVED", "PAGE_UNLOADED")
PAUSE = 0.01
"""Seconds behind each delivery, so that the log of a long run stays small enough to be looked through."""


Delivery = tuple[str, int]
"""A session and a sequence."""


class Load:
    """Until `end`. `acknowledged`: positions by (session, sequence). `paged`, `streamed`: those that a follower saw.

    `last`: the position of what was sent last. `relayed`: what the handler got, in its order.
    """

    def __init__(self, standing: Standing) -> None:
        self._standing = standing
        self._done, self.last = Event(), 0
        self.acknowledged: dict[Delivery, int] = {}
        self.paged: list[int] = []
        self.streamed: list[int] = []
        self.relayed: list[Delivery] = []
        self.wrong: list[str] = []
        self._senders = [_started(partial(self._send, f"s{n}")) for n in range(SENDERS)]
        self._followers = [_started(self._page), _started(self._stream)]

    def end(self) -> None:
        """Senders first; followers once they have seen what was sent last."""
        self._done.set()
        for thread in self._senders:
            thread.join()
        until(lambda: self._sent("last", 0), "the last delivery is not taken")
        self.last = self.acknowledged["last", 0]
        for thread in self._followers:
            thread.join(PATIENCE)
        with suppress(TimeoutError):
            until(self._relayed_all)

    def leave(self) -> None:
        """Ends all of them, whatever they have seen."""
        self._done.set()
        self.last = self.last or 1

    def _send(self, session: str) -> None:
        """Each delivery until it is acknowledged."""
        for number in count():
            while not self._sent(f"{session}-{number // VISIT}", number % VISIT):
                if self._done.wait(0.05):
                    return
            if self._done.wait(PAUSE):
                return

    def _sent(self, visit: str, number: int) -> bool:
        with suppress(OSError, HTTPException):
            answer = self._standing.service.wms(_document(visit, number), RELAYED if is_relayed(visit) else "clinic")
            if answer.status == 200:
                self.acknowledged[visit, number] = int(answer.headers["hookfold-position"])
            elif answer.status != 503:
                self.wrong.append(f"a delivery was answered with {answer.status}: {answer.body!r}")
            return answer.status == 200
        return False

    def _relayed_all(self) -> bool:
        """Takes what the handler got meanwhile."""
        heard = self._standing.behind.heard
        while not heard.empty():
            document = json.loads(heard.get().body)
            self.relayed.append((document["sessionId"], document["sequence"]))
        return {one for one in self.acknowledged if is_relayed(one[0])} <= {*self.relayed}

    def _page(self) -> None:
        while not self._saw_all(self.paged):
            with suppress(OSError, HTTPException, AssertionError):
                page = self._standing.service.get(f"/v1/events?after={_last(self.paged)}&limit=100")["data"]
                self.paged += [event["position"] for event in page]
            time.sleep(0.1)  # a follower's pace: there may be no service to hear from

    def _stream(self) -> None:
        while not self._saw_all(self.streamed):
            with (
                suppress(OSError, HTTPException, AssertionError, RefusedError),
                Stream(self._standing.service.port, last=_last(self.streamed)) as stream,
            ):
                for message in stream.messages():
                    self.streamed.append(message.id)
                    if self._saw_all(self.streamed):
                        return
            time.sleep(0.1)  # a follower's pace: there may be no service to hear from

    def _saw_all(self, positions: list[int]) -> bool:
        return self.last > 0 and _last(positions) >= self.last


def is_relayed(visit: str) -> bool:
    return visit.startswith("s0-")


def _document(visit: str, number: int) -> dict[str, Any]:
    """A visit is one measurement, with many intermediate results."""
    ahead, behind = number, VISIT - 1 - number
    event = BEGIN[ahead] if ahead < len(BEGIN) else END[~behind] if behind < len(END) else "INTERMEDIATE_RESULTS"
    return wms(visit, number, event, measurementId=visit)


def _last(positions: list[int]) -> int:
    return positions[-1] if positions else 0


def _started(work: Callable[[], None]) -> Thread:
    thread = Thread(target=work, daemon=True)
    thread.start()
    return thread
