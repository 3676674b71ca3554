"""Starts the processes of a service, keeps them running, and ends those that serve before the one that writes.

Each is told to end by the end of its standard input, which comes with its parent's however that dies: nobody serves or
writes on unsupervised.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Event, Thread

import structlog

from adapters.server.writer import Appends, Writer

WRITER = "HOOKFOLD_WRITER"
"""Names, to our own processes, the socket on which the writing process listens."""

_LISTENER = "HOOKFOLD_LISTENER_FD"
_BACKLOG = 128
_ACCEPTED = 1_024
"""Connections that may wait for a process that serves, as far as the system lets them."""
_PAUSE = 0.2
"""Seconds before a process that died is started anew: one that dies at once must not spin."""
_logger = structlog.get_logger()


def write_for_parent(log: Appends) -> None:
    """Runs the writer on the socket that `writing` hands over, until the parent's end of standard input closes.

    Who stops a whole service at once reaches this process too: the parent ends it, behind those that still answer.
    """
    for ignored in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ignored, signal.SIG_IGN)
    Writer(listener(), sys.stdin, log).run()


def listener() -> socket.socket:
    """The socket that the parent handed over."""
    return socket.socket(fileno=int(os.environ[_LISTENER]))


@contextmanager
def writing(code: str) -> Iterator[None]:
    """A process that runs `code` (which calls `write_for_parent`) while the block lasts; it is started anew if it dies.

    The socket outlives it: what arrives meanwhile waits.
    """
    with tempfile.TemporaryDirectory(prefix="hookfold-") as folder, socket.socket(socket.AF_UNIX) as listening:
        path = str(Path(folder) / "writer")
        listening.bind(path)
        listening.listen(_BACKLOG)
        os.environ[WRITER] = path
        with _kept(code, listening, "writer_died"):
            yield


@contextmanager
def serving(code: str, host: str, port: int, processes: int) -> Iterator[None]:
    """So many processes that run `code` while the block lasts, each with a socket of its own on the one port.

    The sockets outlive them: who connects meanwhile waits.
    """
    with ExitStack() as opened:
        for _ in range(processes):
            listening = opened.enter_context(_listening(host, port))
            opened.enter_context(_kept(code, listening, "server_died"))
        yield


def wait_for_end() -> None:
    """Returns when this process is told to stop, by SIGTERM or Ctrl-C."""
    told = Event()
    for stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(stop, lambda *_: told.set())
    told.wait()


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listening.bind((host, port))
        listening.listen(_ACCEPTED)
        yield listening


@contextmanager
def _kept(code: str, listening: socket.socket, death: str) -> Iterator[None]:
    keeper = _Keeper(code, listening.fileno(), death)
    try:
        yield
    finally:
        keeper.stop()


class _Keeper:
    """`death` is what the log says where the process ends by itself."""

    def __init__(self, code: str, handed: int, death: str) -> None:
        self._command = [sys.executable, "-c", code]
        self._handed = handed
        self._death = death
        self._env: Mapping[str, str] = {**os.environ, _LISTENER: str(handed)}
        self._stopping = Event()
        self._process = self._start()
        self._thread = Thread(target=self._keep, name="hookfold-keeper", daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, pass_fds=[self._handed], env=self._env)

    def _keep(self) -> None:
        while True:
            status = self._process.wait()
            if self._stopping.wait(_PAUSE):
                return
            _logger.error(self._death, status=status)
            self._process = self._start()

    def stop(self) -> None:
        self._stopping.set()
        if self._process.stdin:
            self._process.stdin.close()
        self._thread.join()
