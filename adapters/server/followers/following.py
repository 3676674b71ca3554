"""Clients that wait in the event loop without a thread: followers of a stream, and requests to be repeated later."""

import asyncio
from asyncio import Future
from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import NamedTuple

import structlog
from prometheus_client import Gauge

from adapters.http import COMMENT, HEARTBEAT, RECONNECT, Answer, Follow, FollowPage, Later, Wanted, problem_answer
from adapters.server.followers.tail import EVERY, Tail
from adapters.server.http11.connections import Respond
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody
from adapters.server.processes.threads import Threads
from adapters.sql import Unavailable

WAITING = Gauge(
    "hookfold_waiting", "Streams that are followed, and questions that wait for the log to grow.", registry=None
)

_FAILED = problem_answer(500, "this server has a fault: its log tells more")
_logger = structlog.get_logger()


class StreamOrder(NamedTuple):
    """Status and headers of a response that follows the log."""

    status: int
    headers: list[tuple[str, str]]
    order: Follow


class EventStream(StreamingBody):
    """A client that follows the log. It reads page by page until it has caught up; then the tail feeds it.

    If it takes no more for a while, it continues with what the tail still holds, or reads again.

    It gets data only after it has taken everything before, so buffers are bounded and a slow client reads at its own
    pace.
    """

    patient = True

    def __init__(
        self, streaming: StreamOrder, request: Request, respond: Respond, tail: Tail, threads: Threads
    ) -> None:
        super().__init__(asyncio.get_running_loop(), streaming.status, streaming.headers)
        self.wanted = Wanted()
        self.after = streaming.order.after
        self.fed = False
        self._page = streaming.order.page
        self._request = request
        self._respond = respond
        self._tail = tail
        self._threads = threads
        self._giving = self._reading = self._ended = self._caught_up = False
        self._takes = True
        self._said = monotonic()

    def begin(self) -> None:
        """Sends the headers and begins to read."""
        WAITING.inc()
        self._respond(self)
        if self.send is None or self._request.ending:
            self._end()
        elif self._give(RECONNECT):
            self._read()

    def resume(self) -> None:
        self._takes = True
        if self._request.ending:
            self._end()
        elif not (self._giving or self._rejoined()):
            self._read()

    def take(self, messages: bytes, position: int) -> bool:
        """Called by the tail, as are `look` and `fall_back`."""
        self.after = position
        return self._give(messages)

    def look(self) -> bool:
        return monotonic() - self._said < HEARTBEAT or self._give(COMMENT)

    def fall_back(self) -> None:
        self._caught_up = False
        self._read()

    def _rejoined(self) -> bool:
        """Whether the tail feeds it again. While it reads pages, it has not caught up."""
        return self._caught_up and not (self.fed or self._reading or self._ended) and self._tail.rejoin(self)

    def _give(self, piece: bytes) -> bool:
        """Sends a piece; returns whether the client takes more."""
        if self.send is None or self._ended:
            return False
        self._giving, self._takes = True, False
        self._said = monotonic()
        self.send(piece)
        self._giving = False
        return self._takes and not self._ended

    def _read(self) -> None:
        if self._takes and not (self.fed or self._reading or self._ended):
            self._reading, self._caught_up = True, False
            self._threads.run(partial(self._page, self.after)).add_done_callback(self._told)

    def _told(self, reading: "Future[FollowPage]") -> None:
        self._reading = False
        if self._ended:
            return
        if reading.cancelled() or self._request.ending:
            self._end()
        elif isinstance(error := reading.exception(), Unavailable):
            self.look()
            asyncio.get_running_loop().call_later(EVERY, self._read)
        elif error is not None:
            _logger.error("stream_failed", exc_info=error)
            self._end(_FAILED)
        else:
            self._go_behind(reading.result())

    def _go_behind(self, page: FollowPage) -> None:
        self.after, self.wanted = page.after, page.wanted
        if page.messages:
            if self._give(page.messages):
                self._read()
        else:
            self._caught_up = self._tail.join(self, page.head)
            if not self._caught_up:
                asyncio.get_running_loop().call_later(EVERY, self._read)

    def _end(self, how: Answer | None = None) -> None:
        """Ends the response, as complete unless something went wrong."""
        if not self._ended:
            self._ended = True
            WAITING.dec()
            self._tail.leave(self)
            self._respond(how)


class Parked:
    """A request that is repeated once something matches or its time is over."""

    patient = False

    def __init__(self, order: Later, request: Request, tail: Tail, again: Callable[[], None]) -> None:
        self.wanted = order.wanted
        self.after = order.after
        self.fed = False
        self._order = order
        self._request = request
        self._tail = tail
        self._again = again
        self._woken = False

    def begin(self) -> None:
        """Starts to wait."""
        WAITING.inc()
        left = max(0.0, self._order.due - monotonic())
        self._timer = asyncio.get_running_loop().call_later(left, self.fall_back)
        if not self._tail.join(self, self._order.head):
            self.fall_back()

    def take(self, _messages: bytes, _position: int) -> bool:
        self.fall_back()
        return False

    def look(self) -> bool:
        if self._request.ending:
            self.fall_back()
        return not self._woken

    def fall_back(self) -> None:
        if not self._woken:
            self._woken = True
            WAITING.dec()
            self._timer.cancel()
            self._tail.leave(self)
            self._again()
