"""Runs a WSGI application (PEP 3333) for RSGI requests whose body has been read, in a bounded pool of threads."""

import asyncio
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from threading import Lock
from typing import Any
from urllib.parse import unquote_to_bytes

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

SHARED = 0.0002
"""Seconds for which a thread keeps the interpreter while another one that serves wants it, too."""

_ALONE = sys.getswitchinterval()


class Bridge:
    """`threads` requests run at a time; the others wait their turn."""

    def __init__(self, application: Wsgi, threads: int) -> None:
        self._application = application
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="hookfold-http")
        self._running = 0
        self._counting = Lock()

    async def respond(self, scope: Any, protocol: Any, body: bytes | int) -> None:
        """Answers one request. `body` is the number of bytes where there were too many."""
        environ = _environ(scope, body)
        status, headers, content = await asyncio.get_running_loop().run_in_executor(self._pool, self._run, environ)
        protocol.response_bytes(status, headers, content)

    def _run(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        self._count(1)
        try:
            return self._call(environ)
        finally:
            self._count(-1)

    def _count(self, change: int) -> None:
        """The event loop waits for the interpreter behind threads that answer, so they keep it for short; without any,
        nobody takes it from the loop in the middle of its work.
        """
        with self._counting:
            self._running += change
            sys.setswitchinterval(SHARED if self._running else _ALONE)

    def _call(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        started: list[Any] = []

        def start_response(
            status: str, headers: list[tuple[str, str]], _exc_info: Any = None
        ) -> Callable[[bytes], None]:
            started[:] = [int(status.split(" ", 1)[0]), headers]
            return lambda _: None

        result = self._application(environ, start_response)
        try:
            content = b"".join(result)
        finally:
            close = getattr(result, "close", None)
            if close:
                close()
        return started[0], started[1], content


def _environ(scope: Any, body: bytes | int) -> dict[str, Any]:
    """A size instead of a body is declared and not there: Flask refuses it by its own limit."""
    content = body if isinstance(body, bytes) else b""
    host, _, port = scope.server.rpartition(":")
    environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(content),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        key = "HTTP_" + name.upper().replace("-", "_")
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_LENGTH"] = str(body if isinstance(body, int) else len(content))
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    return environ
