"""The HTTP client for a source's handler: passes bytes unchanged, within limits.

Follows no redirects and stores no cookies.
"""

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

import structlog

from adapters.http import Answer, failure
from adapters.providers import KEPT, Outcome
from adapters.server.handlers.answer_reader import BrokenError
from adapters.server.handlers.handler_connections import HandlerConnections, MisledError, UnreachableError
from adapters.server.handlers.outgoing import head_of
from adapters.server.http11.connections import Respond
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import LoopStreamingBody
from adapters.server.http11.upload import BrokenOffError, Upload
from core.event import Headers, Instant

MOST_ANSWER = 16 << 20
"""The most bytes of a response to a delivery. No sender reads more."""
SILENCE = 60.0
"""The longest silence in seconds of requests other than deliveries."""

_HOP_BY_HOP = frozenset(
    "connection keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding "
    "upgrade".split()
)
"""Headers of one connection (RFC 9110, 7.6.1), besides those that `Connection` names."""
_OURS = frozenset({"content-length", "expect", "host", "hookfold-position", "hookfold-verdict"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_CHUNKED = ("transfer-encoding", "chunked")
_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Target:
    """A source's handler. `within`: seconds from a delivery's arrival to the end of its response.

    `most`: its concurrent requests. `observe`: forward rejections, too. `beside`: paths that are passed on unrecorded.
    `session`: outcomes are events of the session.
    """

    url: str
    within: float
    most: int
    observe: bool
    beside: frozenset[str]
    session: bool


class RecordedRequest(NamedTuple):
    """A recorded delivery. `target` is appended to the handler's URL."""

    target: str
    headers: Headers
    body: bytes


class HandlerRequest(NamedTuple):
    """A prepared request to the handler. `head` is None if HTTP/1.1 cannot express it.

    `silence` is the longest silence in seconds.
    """

    head: bytes | None
    body: bytes | Upload
    chunked: bool = False
    bodiless: bool = False
    silence: float | None = None


class Failure(NamedTuple):
    """Why there is no complete response: in a word, and as a message to the sender."""

    word: str
    status: int
    message: str


BUSY = Failure("busy", 503, "too much is with the handler: send again")
_SLOW = Failure("slow", 504, "the handler did not answer in time")
_UNREACHABLE = Failure("unreachable", 502, "the handler cannot be reached")
_MISLED = Failure("misled", 502, "the handler's name leads elsewhere")
_BROKEN = Failure("broken", 502, "the handler's answer broke off, or is no HTTP/1.1")
_OVERSIZED = Failure("oversized", 502, "the handler's answer is too large")
_UNSENDABLE = Failure("unsendable", 502, "a header of the request cannot be handed on")
_BROKEN_OFF = Failure("broken_off", 400, "the body broke off")
_LEFT = Failure("left", 503, "the service stops")
_FAULT = Failure("fault", 502, "the answer could not be handed back")


class _OversizedError(Exception):
    """The response exceeds `MOST_ANSWER`."""


class _UnsendableError(Exception):
    """HTTP/1.1 cannot express the request."""


class _LeftError(Exception):
    """The client has left."""


class Handler:
    """A client of one handler in one process. Belongs to the event loop. `own` is this service's own address."""

    def __init__(self, target: Target, clock: Callable[[], Instant], own: tuple[str, int] | None = None) -> None:
        self.target = target
        self._clock = clock
        parts = urlsplit(target.url)
        self._host, self._path = parts.netloc, parts.path
        self._connections = HandlerConnections(target.url, own)
        self._asked = 0

    async def close(self) -> None:
        await self._connections.close()

    def prepared(self, request: Request, suffix: str) -> HandlerRequest:
        """Prepares the handler's request from a client's. `suffix` is appended to its path."""
        _, asked, query = request.target.partition("?")
        body = b"" if isinstance(request.body, int) else request.body
        headers = [*end_to_end(request.headers, _OURS), *_framing(request)]
        made = self._made(request.method, suffix + asked + query, headers, body)
        return made._replace(chunked=_CHUNKED in headers, bodiless=request.method == "HEAD")

    def _made(self, method: str, target: str, headers: Headers, body: bytes | Upload) -> HandlerRequest:
        """Prepares a request. `target` is the path and query to append to the handler's URL."""
        suffix, asked, query = target.partition("?")
        whole = (self._path + suffix or "/") + asked + query
        return HandlerRequest(head_of(method, whole, [("host", self._host), *headers]), body)

    async def answer(self, prepared: HandlerRequest, marks: Headers, respond: Respond, until: float) -> Outcome:
        """Forwards a delivery with `marks` in its headers, and returns the response, until the loop's time `until`."""
        collector = _ResponseCollector(self._clock(), respond, MOST_ANSWER, lambda: False)
        return await self._exchange(prepared, marks, collector, until)

    async def pass_on(self, request: Request, suffix: str, respond: Respond) -> Outcome:
        """Forwards a request that is not a delivery, and returns the response.

        There is no overall time limit: it ends if the handler is silent for `SILENCE` seconds, or the client leaves.
        """
        prepared = self.prepared(request, suffix)._replace(silence=SILENCE)
        return await self._exchange(
            prepared, [], _ResponseCollector(self._clock(), respond, None, lambda: request.ending), None
        )

    async def deliver(self, sent: RecordedRequest, marks: Headers, until: float) -> tuple[Outcome, Headers]:
        """Delivers a recorded request; returns the outcome and the response's headers. No client waits."""
        collector = _ResponseCollector(self._clock(), lambda _: None, MOST_ANSWER, lambda: False)
        headers = [*end_to_end(sent.headers, _OURS), ("content-length", str(len(sent.body)))]
        outcome = await self._exchange(self._made("POST", sent.target, headers, sent.body), marks, collector, until)
        return outcome, collector.headers

    async def _exchange(
        self, prepared: HandlerRequest, marks: Headers, collector: "_ResponseCollector", until: float | None
    ) -> Outcome:
        """Sends the request, relays the response, and returns the outcome. Responds to the client exactly once.

        A truncated response becomes an error, or an aborted stream if a part of it was sent already.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._asked += 1
        try:
            if self._asked > self.target.most:
                collector.give_up(BUSY)
            else:
                await self._hear(prepared, marks, collector, until)
        except Exception as error:  # noqa: BLE001 - the sender waits for an answer, whatever it is
            collector.give_up(_failure_of(error))
        finally:
            self._asked -= 1
        return collector.outcome(int((loop.time() - started) * 1_000_000))

    async def _hear(
        self, prepared: HandlerRequest, marks: Headers, collector: "_ResponseCollector", until: float | None
    ) -> None:
        if prepared.head is None:
            raise _UnsendableError
        head, body = prepared.head + "".join([f"{name}: {value}\r\n" for name, value in marks]).encode(), prepared.body
        connection = self._connections.kept(prepared.silence)
        if connection is None:
            async with asyncio.timeout_at(until):
                connection = await self._connections.opened(prepared.silence)
        try:
            connection.ask(head, body if isinstance(body, bytes) else b"", bodiless=prepared.bodiless)
            async with asyncio.timeout_at(until):
                if isinstance(body, Upload):
                    await connection.send_pieces(body, chunked=prepared.chunked)
                collector.begin(*await connection.head())
                while piece := await connection.some():
                    await collector.take(piece)
            collector.end()
        finally:
            self._connections.give_back(connection)


class _ResponseCollector:
    """Collects the handler's response. Short ones are buffered, so that a truncated one can be replaced by an error.

    `most` is its limit in bytes; `left` returns whether the client of a streamed one has left.
    """

    def __init__(self, began: Instant, respond: Respond, most: int | None, left: Callable[[], bool]) -> None:
        self._respond = respond
        self._most = most
        self._left = left
        self._outcome = Outcome(began=began, ended=began)
        self._status = 0
        self.headers: Headers = []
        self._digest = hashlib.sha256()
        self._beginning = bytearray()
        self._streamed: LoopStreamingBody | None = None

    def begin(self, status: int, headers: Headers) -> None:
        self._status = self._outcome.status = status
        self.headers = end_to_end(headers)

    async def take(self, piece: bytes) -> None:
        self._outcome.size += len(piece)
        if self._most is not None and self._outcome.size > self._most:
            raise _OversizedError
        self._digest.update(piece)
        held = len(self._beginning)
        self._beginning += piece[: KEPT - held]
        if self._streamed is not None:
            if self._left():
                raise _LeftError
            await self._streamed.give(piece)
        elif held + len(piece) > KEPT:
            self._streamed = LoopStreamingBody(self._status, self.headers)
            self._respond(self._streamed)
            await self._streamed.give(bytes(self._beginning[:held]) + piece)

    def end(self) -> None:
        whole = Answer(self._status, self.headers, bytes(self._beginning))
        self._respond(None if self._streamed is not None else whole)

    def give_up(self, why: Failure) -> None:
        self._outcome.failure = why.word
        self._respond(failure(why.status, why.message, [("retry-after", "2")] if why is BUSY else None))

    def outcome(self, took: Instant) -> Outcome:
        self._outcome.ended = self._outcome.began + took
        self._outcome.sha256, self._outcome.beginning = self._digest.hexdigest(), bytes(self._beginning)
        return self._outcome


def end_to_end(headers: Headers, without: frozenset[str] = frozenset()) -> Headers:
    """The headers that are not hop-by-hop, nor in `without`."""
    named = {one.strip().lower() for name, value in headers if name.lower() == "connection" for one in value.split(",")}
    left_out = _HOP_BY_HOP | without | named
    return [(name, value) for name, value in headers if name.lower() not in left_out]


def _framing(request: Request) -> Headers:
    """The headers that frame the body: the sender's for a streamed body, else its length."""
    if isinstance(request.body, Upload):
        declared = [one for one in request.headers if one[0] == "content-length"]
        return declared[:1] or [_CHUNKED]
    body = b"" if isinstance(request.body, int) else request.body
    return [("content-length", str(len(body)))] if body or request.method not in _BODILESS else []


def _failure_of(error: Exception) -> Failure:
    for kind, why in _FAILURES:
        if isinstance(error, kind):
            return why
    _logger.error("forward_failed", exc_info=error)
    return _FAULT


_FAILURES: tuple[tuple[type[Exception], Failure], ...] = (
    (UnreachableError, _UNREACHABLE),
    (TimeoutError, _SLOW),
    (MisledError, _MISLED),
    (_OversizedError, _OVERSIZED),
    (BrokenOffError, _BROKEN_OFF),
    (_LeftError, _LEFT),
    (_UnsendableError, _UNSENDABLE),
    (BrokenError, _BROKEN),
)
