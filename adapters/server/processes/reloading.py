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
    """What the processes work with from now on; `left`: what was found and counts from the next start."""

    hand: Any
    left: Sequence[str] = ()


Reload = Callable[[Any], Reloaded | None]
"""(what the processes work with) -> what was read; None where nothing changes."""
_READ = 65_536
_LONGEST = 60.0
"""Seconds for a process to read them: a file may lie where nobody answers."""
_logger = structlog.get_logger()


class Reloading:
    """One at a time. `line`: to the process under way, through which its outcome comes; `due`: when it is given up."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self.line: socket | None = None
        self.due: float | None = None
        self._process = 0
        self._outcome = b""

    def begin(self, hand: Any, others: Iterable[socket]) -> None:
        """Starts the process. `others`: sockets that belong to other ones."""
        try:
            self._process, self.line = forked("hookfold-reload", partial(self._give, hand), others)
        except OSError as error:
            _fail(str(error))
            return
        self._outcome, self.due = b"", monotonic() + _LONGEST

    def _give(self, hand: Any, line: socket) -> None:
        """In that process."""
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
        line.sendall(pickle.dumps(self._reload(hand)))

    def read(self) -> Reloaded | None:
        """Once there is something to read: what was read again, if it is known and not None."""
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
        """Ends the process that has taken too long."""
        self.leave()
        _fail(f"nothing came of it in {_LONGEST:.0f} seconds")

    def leave(self) -> None:
        """Ends the process that is under way, if one is."""
        if self.line is not None:
            os.kill(self._process, signal.SIGKILL)
            self._ended()

    def _ended(self) -> int:
        """The status with which it did."""
        if self.line is not None:
            self.line.close()
        self.line = self.due = None
        return os.waitstatus_to_exitcode(os.waitpid(self._process, 0)[1])


def _fail(reason: str) -> None:
    _logger.error("reload_failed", reason=reason, mend="nothing was changed: send SIGHUP again")
