"""Rereads the secrets on SIGHUP, in a process of its own, because the main process opens no database."""

import os
import pickle
import signal
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from socket import socket
from time import monotonic
from typing import Any, NamedTuple

import structlog

from adapters.server.processes.forked import forked
from adapters.server.processes.signals import STOPS


class Reloaded(NamedTuple):
    """The new input of the processes. `left`: changes that take effect only at the next start."""

    hand: Any
    left: Sequence[str] = ()


Reload = Callable[[Any], Reloaded | None]
"""Maps the present input to the new one; None if nothing changes."""
_READ = 65_536
_LONGEST = 60.0
"""Seconds to read them, since a file may be on a server that does not answer."""
_logger = structlog.get_logger()


class Reloading:
    """Runs one reload at a time. `line` is the socket for its result, `due` the time when it is given up."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self.line: socket | None = None
        self.due: float | None = None
        self._process = 0
        self._outcome = b""

    def begin(self, hand: Any, others: Iterable[socket]) -> None:
        """Starts the process. `others` are sockets of other processes, which it must close."""
        try:
            self._process, self.line = forked("hookfold-reload", partial(self._give, hand), others)
        except OSError as error:
            _fail(str(error))
            return
        self._outcome, self.due = b"", monotonic() + _LONGEST

    def _give(self, hand: Any, line: socket) -> None:
        """Runs in that process."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        line.sendall(pickle.dumps(self._reload(hand)))

    def read(self) -> Reloaded | None:
        """Reads from `line`; returns the result once it is complete, None before and if nothing changes."""
        piece = b"" if self.line is None else self.line.recv(_READ)
        self._outcome += piece
        if piece:
            return None
        if self._ended() != 0:
            _fail("the process that read them died")
            return None
        found: Reloaded | None = pickle.loads(self._outcome)  # noqa: S301 - from our own process
        return found

    def give_up(self) -> None:
        """Kills a reload that takes too long, and logs it."""
        self.leave()
        _fail(f"nothing came of it in {_LONGEST:.0f} seconds")

    def leave(self) -> None:
        """Kills the running reload, if there is one."""
        if self.line is not None:
            os.kill(self._process, signal.SIGKILL)
            self._ended()

    def _ended(self) -> int:
        """Reaps the process; returns its exit status."""
        if self.line is not None:
            self.line.close()
        self.line = self.due = None
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])


def _fail(reason: str) -> None:
    _logger.error("reload_failed", reason=reason, mend="nothing was changed: send SIGHUP again")
