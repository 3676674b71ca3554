"""Starts the writing process, keeps it running, and ends it after those that serve."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import structlog

from adapters.server.frames import Item
from adapters.server.writer import Writer
from adapters.sql import Receipt

WRITER = "HOOKFOLD_WRITER"
"""Names, to our own processes, the socket on which the writing process listens."""

_LISTENER = "HOOKFOLD_WRITER_FD"
_BACKLOG = 128
_PAUSE = 0.2
"""Seconds before a writer that died is started anew: one that dies at once must not spin."""
_LOOK = 1.0
"""Seconds between two looks whether the parent is there: nothing tells of its death."""
_logger = structlog.get_logger()


def write_for_parent(append: Callable[[Sequence[Item]], Sequence[Receipt]]) -> None:
    """Runs the writer on the socket that `writing` hands over, until the parent's end of standard input closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; whoever serves stops first
    Writer(socket.socket(fileno=int(os.environ[_LISTENER])), sys.stdin, append).run()


def end_with_parent() -> None:
    """Ends this process as an operator does, soon after its parent was killed: else it would serve on, unsupervised.

    The writing process ends then, too: nobody is left who holds its standard input.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_LOOK)
        _logger.error("parent_died")
        os.kill(os.getpid(), signal.SIGTERM)

    Thread(target=watch, name="hookfold-parent", daemon=True).start()


@contextmanager
def writing(code: str) -> Iterator[None]:
    """A process that runs `code` (which calls `write_for_parent`) while the block lasts; it is started anew if it dies.

    The socket outlives it: what arrives meanwhile waits.
    """
    with tempfile.TemporaryDirectory(prefix="hookfold-") as folder, socket.socket(socket.AF_UNIX) as listener:
        path = str(Path(folder) / "writer")
        listener.bind(path)
        listener.listen(_BACKLOG)
        os.environ |= {WRITER: path, _LISTENER: str(listener.fileno())}
        keeper = _Keeper(code, listener.fileno())
        try:
            yield
        finally:
            keeper.stop()


class _Keeper:
    def __init__(self, code: str, listener: int) -> None:
        self._command = [sys.executable, "-c", code]
        self._listener = listener
        self._stopping = Event()
        self._process = self._start()
        self._thread = Thread(target=self._keep, name="hookfold-keeper", daemon=True)
        self._thread.start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdin=subprocess.PIPE, pass_fds=[self._listener])

    def _keep(self) -> None:
        while True:
            status = self._process.wait()
            if self._stopping.wait(_PAUSE):
                return
            _logger.error("writer_died", status=status)
            self._process = self._start()

    def stop(self) -> None:
        self._stopping.set()
        if self._process.stdin:
            self._process.stdin.close()
        self._thread.join()
