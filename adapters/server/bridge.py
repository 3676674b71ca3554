"""Runs a WSGI application (PEP 3333) for complete requests in a bounded thread pool."""

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from adapters.http import CARRIED, ENDING, EVENTS, Answer, Carried, Follow, Later, problem_answer
from adapters.server.followers.following import EventStream, Parked, StreamOrder
from adapters.server.followers.tail import Tail
from adapters.server.http11.connection import BODILESS, has_length, later
from adapters.server.http11.connections import Respond
from adapters.server.http11.files import FileBody, Sending
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody
from adapters.server.processes.threads import Threads

Begin = Callable[[int, list[tuple[str, str]]], StreamingBody]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

MOST_ASKED = 256
"""The most requests that run or wait for a thread. Further ones are refused."""
MOST_ASKED_BYTES = 16 << 20
"""The bytes of these requests after which the next one is refused."""

MOST_WAITING_BYTES = 32 << 20
"""The bytes of requests that wait without a thread after which no other one may wait."""
FOLLOWING = 2
"""Threads that read for followers and repeat waiting requests. Other requests have their own."""

_FAILED = problem_answer(500, "this server has a fault: its log tells more")
_STOPPING = problem_answer(503, "the service stops")
_FULL = later(problem_answer(503, "too many questions wait for their answers: ask again"))
_logger = structlog.get_logger()


Given = Answer | Sending | StreamOrder | Later


class Bridge:
    """Runs up to `threads` requests at a time; others wait. `address` is the host and port that is served.

    `tails` feed requests that wait without a thread, by the names in their instructions. Without tails, each holds a
    thread.
    """

    def __init__(
        self, application: Wsgi, threads: int, address: tuple[str, int], tails: Mapping[str, Tail] | None = None
    ) -> None:
        self._application = application
        self._address = address
        self._tails = tails or {}
        self._threads = Threads(threads, "hookfold-http")
        self._following = Threads(FOLLOWING, "hookfold-follow")
        self._asked = 0
        self._asked_bytes = 0
        self._waiting_bytes = 0

    def answer(self, request: Request, respond: Respond) -> None:
        """Answers a request in the event loop once a thread has run it."""
        if self._asked >= MOST_ASKED or self._asked_bytes >= MOST_ASKED_BYTES:
            respond(_FULL)
            return
        carried = Carried(full=self._waiting_bytes >= MOST_WAITING_BYTES) if self._tails else None
        self._ask(1, request.weight)
        running = self._run(self._threads, request, respond, carried)
        running.add_done_callback(lambda _: self._ask(-1, -request.weight))

    def _ask(self, count: int, size: int) -> None:
        self._asked += count
        self._asked_bytes += size

    def close(self) -> None:
        """Waits for the threads. Not for the event loop, since they may wait for it."""
        self._threads.close()
        self._following.close()
        for tail in self._tails.values():
            tail.close()

    def _run(
        self, threads: Threads, request: Request, respond: Respond, carried: Carried | None
    ) -> "Future[Given | None]":
        begin = partial(_begin, asyncio.get_running_loop(), respond)
        running = threads.run(partial(self._call, request, begin, carried))
        running.add_done_callback(partial(self._answer, request, respond, carried))
        return running

    def _answer(self, request: Request, respond: Respond, carried: Carried | None, run: "Future[Given | None]") -> None:
        if run.cancelled():
            respond(_STOPPING)
        elif (error := run.exception()) is not None:
            _logger.error("request_failed", exc_info=error)
            respond(_FAILED)
        elif isinstance(result := run.result(), Later | StreamOrder):
            self._carry_on(result, request, respond, carried)
        else:
            respond(result)

    def _carry_on(
        self, order: Later | StreamOrder, request: Request, respond: Respond, carried: Carried | None
    ) -> None:
        """Continues a request without a thread."""
        self._waiting_bytes += request.weight
        if isinstance(order, Later):
            Parked(order, request, self._tails[EVENTS], partial(self._ask_again, request, respond, carried)).begin()
        else:
            respond = partial(self._respond_to_stream, request, respond)
            EventStream(order, request, respond, self._tails[order.order.tail], self._following).begin()

    def _ask_again(self, request: Request, respond: Respond, carried: Carried | None) -> None:
        """Repeats an admitted request, which is no longer refused."""
        self._waiting_bytes -= request.weight
        self._run(self._following, request, respond, carried)

    def _respond_to_stream(self, request: Request, respond: Respond, answer: Answer | StreamingBody | None) -> None:
        if not isinstance(answer, StreamingBody):
            self._waiting_bytes -= request.weight
        respond(answer)

    def _call(self, request: Request, begin: Begin, carried: Carried | None) -> Given | None:
        """Calls the application; returns the answer or an instruction, or None after a streamed body."""
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], None]:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        result: Any = self._application(self._environ(request, carried), start_response)
        if isinstance(result, FileBody):
            return Sending(started[0], started[1], result)
        if isinstance(result, Follow):
            return StreamOrder(started[0], started[1], result)
        if isinstance(result, Later):
            return result
        try:
            if request.method != "HEAD" and _comes_in_pieces(started, result):
                _hand_over(result, begin(*started), request)
                return None
            content = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close:
                close()
        return Answer(started[0], started[1], content)

    def _environ(self, request: Request, carried: Carried | None) -> dict[str, Any]:
        """The WSGI environment. A body over the limit has only its length, which Flask refuses by its own limit."""
        body = request.body if isinstance(request.body, bytes) else b""
        path, _, query = _of_origin(request.target).partition("?")
        host, port = self._address
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_PROTOCOL": f"HTTP/{request.version}",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.input": BytesIO(body),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
            "wsgi.file_wrapper": FileBody,
            ENDING: lambda: request.ending,
        }
        if carried is not None:
            environ[CARRIED] = carried
        for name, value in request.headers:
            key = "HTTP_" + name.upper().replace("-", "_")
            environ[key] = f"{environ[key]},{value}" if key in environ else value
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ["CONTENT_LENGTH"] = str(request.body if isinstance(request.body, int) else len(body))
        environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
        environ.pop("HTTP_CONTENT_LENGTH", None)
        return environ


def _comes_in_pieces(started: list[Any], result: Iterable[bytes]) -> bool:
    if not started or not isinstance(result, Iterator):
        return False
    status, headers = started
    return status not in BODILESS and not has_length(headers)


def _begin(loop: AbstractEventLoop, respond: Respond, status: int, headers: list[tuple[str, str]]) -> StreamingBody:
    pieces = StreamingBody(loop, status, headers)
    loop.call_soon_threadsafe(respond, pieces)
    return pieces


def _hand_over(result: Iterable[bytes], pieces: StreamingBody, request: Request) -> None:
    """Streams a response body without empty pieces, which would end a chunked body."""
    for piece in result:
        if piece:
            pieces.put(piece)
        if request.ending:
            return


def _of_origin(target: str) -> str:
    """The path and query of a target, which may be absolute (RFC 9112, 3.2.2)."""
    scheme, found, rest = target.partition("://")
    if not found or scheme.startswith("/"):
        return target
    return "/" + rest.partition("/")[2]
