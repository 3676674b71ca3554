"""Senders, followers and people who ask, at several services over one log, who note every answer and every failure."""

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from http.client import HTTPException
from itertools import count
from threading import Event, Thread
from typing import Any, NamedTuple

from tests.support.service import Answer, Service
from tests.upgrade.record import STEPS, pushed, step

SENDERS = 4
PAUSE = 0.02
"""Seconds between two requests: a client's pace is part of the load, and leaves the cores to the service."""
Identity = tuple[str, int | None]
"""A session and a sequence, or an action: what is to be in the log once."""


class Failure(NamedTuple):
    """A request that did not come to its answer, or came to another one than 200. `cut`: the connection broke."""

    port: int
    began: float
    ended: float
    asked: str
    what: str
    cut: bool

    def __str__(self) -> str:
        return f"{self.asked} of port {self.port}: {self.what}"


class RecordedLoad:
    """All of them, from the beginning to `end`. `acknowledged`: the position of each delivery that got a 200."""

    def __init__(self, services: Sequence[Service], paths: Sequence[str]) -> None:
        self._services, self._paths = services, paths
        self._done = Event()
        self.acknowledged: dict[Identity, int] = {}
        self.followed: list[list[int]] = [[] for _ in services]
        self.asked = 0
        self.failures: list[Failure] = []
        self._threads = [Thread(target=one) for one in self._work()]
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Followers go on until they have seen everything."""
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _work(self) -> Iterator[Callable[[], None]]:
        for sender in range(SENDERS):
            yield partial(self._send, sender)
        for service, seen in zip(self._services, self.followed, strict=True):
            yield partial(self._follow, service, seen)
            yield partial(self._ask, service)

    def _send(self, sender: int) -> None:
        """Each delivery until it is acknowledged, by one service in turn after the other."""
        turns = count(sender)
        for identity, send in _actions() if sender == 0 else _visits(sender):
            while not self._done.is_set():
                service = self._services[next(turns) % len(self._services)]
                answer = self._noted(service, "a delivery", partial(send, service))
                if answer is not None:
                    self.acknowledged[identity] = int(answer.headers["hookfold-position"])
                    break
                time.sleep(PAUSE)
            if self._done.is_set():
                return

    def _follow(self, service: Service, seen: list[int]) -> None:
        """By long-poll, to the end of the log."""
        while True:
            last = self._done.is_set()
            after = seen[-1] if seen else 0
            answer = self._got(service, f"/v1/events?after={after}&limit=100{'' if last else '&wait=1'}")
            page = answer.json["data"] if answer is not None else []
            seen += [event["position"] for event in page]
            if last and answer is not None and not page:
                return
            time.sleep(PAUSE)

    def _ask(self, service: Service) -> None:
        while not self._done.is_set():
            for path in self._paths:
                self._got(service, path)
                self.asked += 1
                time.sleep(PAUSE)

    def _got(self, service: Service, path: str) -> Answer | None:
        return self._noted(service, path, lambda: service.send("GET", path))

    def _noted(self, service: Service, asked: str, request: Callable[[], Answer]) -> Answer | None:
        """The answer if it is a 200; anything else is noted."""
        began = time.monotonic()
        try:
            answer = request()
        except (OSError, HTTPException) as error:
            cut, what = isinstance(error, ConnectionError), repr(error)
        else:
            if answer.status == 200:
                return answer
            cut, what = False, f"{answer.status} {answer.body[:300]!r}"
        self.failures.append(Failure(service.port, began, time.monotonic(), asked, what, cut))
        return None


Sending = tuple[Identity, Callable[[Service], Answer]]


def _visits(sender: int) -> Iterator[Sending]:
    """Whole ones, and every tenth goes on and on: what is long is folded in another way."""
    for number in count():
        visit = f"load-{sender}-{number}"
        for turn in range(60 if number % 10 == 0 else 1):
            for sequence, event, payload in STEPS:
                named = payload | ({"measurementId": f"m-{turn}"} if payload else {})
                document = step(visit, turn * len(STEPS) + sequence, event, named)
                yield (visit, document["sequence"]), partial(Service.wms, document=document)


def _actions() -> Iterator[Sending]:
    for number in count():
        document: Any = pushed(f"load-{number}")
        yield (
            (document["actionId"], None),
            partial(Service.amps, document=document, message=f"msg_load_{number}"),
        )
