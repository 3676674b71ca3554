"""Runs a WSGI application (PEP 3333) for requests that have arrived whole, in a bounded pool of threads."""

import asyncio
import sys
from asyncio import AbstractEventLoop, Future
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import unquote_to_bytes

import structlog

from adapters.http import ENDING, Answer, problem_answer
from adapters.server.connection import BODILESS, has_length, later
from adapters.server.files import FileBody, Sending
from adapters.server.reader import Request
from adapters.server.site import Respond
from adapters.server.streaming_body import StreamingBody

Begin = Callable[[int, list[tuple[str, str]]], StreamingBody]
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SHARED = 0.0002
"""Seconds for which a thread keeps the interpreter while another one that serves wants it, too."""

MOST_ASKED = 256
"""Questions that are answered or wait for a thread; what comes beyond them is refused."""
MOST_ASKED_BYTES = 16 << 20
"""The bytes of their requests, behind which the next one is refused."""

_ALONE = sys.getswitchinterval()
_FAILED = problem_answer(500, "this server has a fault: its log tells more")
_STOPPING = problem_answer(503, "the service stops")
_FULL = later(problem_answer(503, "too many questions wait for their answers: ask again"))
_logger = structlog.get_logger()


class Bridge:
    """`threads` requests run at a time; the others wait their turn. `address`: host and port that are served."""

    def __init__(self, application: Wsgi, threads: int, address: tuple[str, int]) -> None:
        self._application = application
        self._address = address
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hookfold-http")
        self._running = 0
        self._counting = Lock()
        self._asked = 0
        self._asked_bytes = 0

    def answer(self, request: Request, respond: Respond) -> None:
        """Answers one request, in the event loop, once a thread has run it."""
        if self._asked >= MOST_ASKED or self._asked_bytes >= MOST_ASKED_BYTES:
            respond(_FULL)
            return
        loop = asyncio.get_running_loop()
        begin = partial(_begin, loop, respond)
        running = loop.run_in_executor(self._pool, self._run, request, begin)
        self._ask(1, request.weight)
        running.add_done_callback(lambda _: self._ask(-1, -request.weight))
        running.add_done_callback(partial(_answer, respond))

    def _ask(self, count: int, size: int) -> None:
        self._asked += count
        self._asked_bytes += size

    def close(self) -> None:
        """Waits for the threads; not in the event loop, for which they may wait themselves."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, request: Request, begin: Begin) -> Answer | Sending | None:
        self._count(1)
        try:
            return self._call(request, begin)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        """The event loop waits for the interpreter behind threads that answer, so they keep it for short; without any,
        nobody takes it from the loop in the middle of its work.
        """
        with self._counting:
            self._running += change
            sys.setswitchinterval(SHARED if self._running else _ALONE)

    def _call(self, request: Request, begin: Begin) -> Answer | Sending | None:
        """The answer; None behind the last piece of one that came so."""
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], None]:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        result = self._application(self._environ(request), start_response)
        if isinstance(result, FileBody):
            return Sending(started[0], started[1], result)
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

    def _environ(self, request: Request) -> dict[str, Any]:
        """A size instead of a body is declared and not there: Flask refuses it by its own limit."""
        body = request.body if isinstance(request.body, bytes) else b""
        path, _, query = _of_origin(request.target).partition("?")
        host, port = self._address
        environ = {
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
    """Nothing is no piece: in chunks it would be the end."""
    for piece in result:
        if piece:
            pieces.put(piece)
        if request.ending:
            return


def _answer(respond: Respond, run: "Future[Answer | Sending | None]") -> None:
    if run.cancelled():
        respond(_STOPPING)
    elif (error := run.exception()) is not None:
        _logger.error("request_failed", exc_info=error)
        respond(_FAILED)
    else:
        respond(run.result())


def _of_origin(target: str) -> str:
    """The path and query of a target, also of an absolute one (RFC 9112, 3.2.2)."""
    scheme, found, rest = target.partition("://")
    if not found or scheme.startswith("/"):
        return target
    return "/" + rest.partition("/")[2]
