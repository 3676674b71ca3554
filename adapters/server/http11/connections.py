"""All connections of a serving process: checked once a second, and bounded in number and in bytes.

When a limit is reached, the connections that have kept us waiting longest are closed. A client that makes progress is
not among them.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from email.utils import formatdate
from operator import attrgetter
from time import perf_counter
from typing import TYPE_CHECKING

import structlog
from prometheus_client import Counter, Gauge

from adapters.http import Answer
from adapters.server.http11.files import Sending
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody

if TYPE_CHECKING:
    from adapters.server.http11.connection import Connection

Respond = Callable[[Answer | Sending | StreamingBody | None], None]
"""Takes the response to a request, once, in the event loop.

A streamed response is passed when it begins, followed by None after its last piece, or by a failure.
"""

NEVER = 1 << 62
TURN = 0.001
"""Seconds per iteration of the event loop for the requests of one connection, and again for all that needed more."""
MOST_CONNECTIONS = 10_000
MOST_HELD = 64 << 20
"""The most bytes of all connections: unanswered requests and untaken responses. Beyond it a quarter is freed."""

OPEN = Gauge("hookfold_connections", "Connections that are open.", registry=None)
SHED = Counter(
    "hookfold_connections_shed",
    "Connections ended to make room, by what was tight: descriptors, memory; or refused, as none could be ended.",
    ["reason"],
    registry=None,
)

METRICS = (OPEN, SHED)

_EVERY = 60
"""Seconds between two log lines about it."""
_LOOK = 0.02
"""Seconds between two checks whether all connections have ended."""
_logger = structlog.get_logger()


class Connections:
    """All connections of one process. Calls `answer` with each request and the function that takes its response.

    `streams` returns whether the body of a request to a target is forwarded while it arrives. With more than `most`
    connections, those we have waited for longest are ended. While those are closing, there may be an eighth more;
    beyond that a new one is refused with a response.
    """

    def __init__(
        self,
        answer: Callable[[Request, Respond], None],
        max_body: int,
        most: int = MOST_CONNECTIONS,
        most_held: int = MOST_HELD,
        streams: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self.answer = answer
        self.max_body = max_body
        self.streams = streams
        self.now = 0
        self.date = _date()
        self.closing = False
        self.connections: dict[Connection, None] = {}
        self.held = 0
        self._most = most
        self._most_held = max(most_held, 4 * max_body)
        self._shed = 0
        self._told = -_EVERY
        self._later: deque[Connection] = deque()
        self._goes_on = False

    def begin(self, loop: AbstractEventLoop, goes_on: Callable[[], None]) -> None:
        """Checks all deadlines once a second from now on, and calls `goes_on`: cheaper than a timer per connection."""
        loop.call_later(1.0, self.begin, loop, goes_on)
        goes_on()
        self.now += 1
        self.date = _date()
        OPEN.set(len(self.connections))
        for connection in [one for one in self.connections if one.due < self.now]:
            connection.overdue()
        self._tell()

    def admit(self, newcomer: "Connection") -> bool:
        """Admits a connection, making room if necessary; False if there is none."""
        self.connections[newcomer] = None
        if len(self.connections) > self._most:
            self._make_room(newcomer, ended=False)
        if len(self.connections) > self._most + self._most // 8:
            self._make_room(newcomer, ended=True)
        if len(self.connections) > self._most + self._most // 8:
            self._count("refused", 1)
            return False
        return True

    def hold(self, change: int) -> None:
        """Counts a change in the bytes that a connection holds."""
        self.held += change
        if change > 0 and self.held > self._most_held:
            self._lighten()

    def go_on_later(self, connection: "Connection") -> None:
        """Schedules a connection that has used up its turn, after the others."""
        self._later.append(connection)
        if not self._goes_on:
            self._goes_on = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        until = perf_counter() + TURN
        try:
            for _ in range(len(self._later)):
                self._later.popleft().go_on()
                if perf_counter() > until:
                    break
        finally:
            self._goes_on = bool(self._later)
            if self._goes_on:
                asyncio.get_running_loop().call_soon(self._go_on)

    async def close(self, patience: float) -> None:
        """Ends every connection after its pending response, or after `patience` seconds."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()
        for _ in range(int(patience / _LOOK)):
            if not self.connections:
                return
            await asyncio.sleep(_LOOK)
        for connection in list(self.connections):
            connection.abort()

    def _make_room(self, newcomer: "Connection", *, ended: bool) -> None:
        """Ends several connections at once, because the search costs the same for one."""
        waiting = [
            one for one in self.connections if one.due < NEVER and one.has_ended is ended and one is not newcomer
        ]
        for connection in sorted(waiting, key=_since)[: max(1, self._most // 16)]:
            self._count("descriptors", 1)
            connection.give_way()
        self._tell()

    def _lighten(self) -> None:
        for connection in sorted((one for one in self.connections if one.held), key=_since):
            if self.held <= self._most_held * 3 // 4:
                break
            self._count("memory", 1)
            connection.give_way()
        self._tell()

    def _count(self, reason: str, count: int) -> None:
        SHED.labels(reason).inc(count)
        self._shed += count

    def _tell(self) -> None:
        if self._shed and self.now - self._told >= _EVERY:
            _logger.warning("connections_shed", count=self._shed, open=len(self.connections), bytes=self.held)
            self._shed, self._told = 0, self.now


_since = attrgetter("since")


def _date() -> str:
    """The `Date` header of every response (RFC 9110, 6.6.1)."""
    return f"date: {formatdate(usegmt=True)}"
