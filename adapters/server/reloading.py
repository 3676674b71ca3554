"""Has what a service works with read again, in a process of its own: the main one opens no database."""

import os
import pickle
import signal
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from socket import socket, socketpair
from typing import Any, NamedTuple

import structlog

from adapters.server.forked import forked


class Reloaded(NamedTuple):
    """What the processes work with from now on; `left`: what was found and counts from the next start."""

    hand: Any
    left: Sequence[str] = ()


Reload = Callable[[Any], Reloaded | None]
"""(what the processes work with) -> what was read; None where nothing changes."""
_READ = 65_536
_logger = structlog.get_logger()


class Reloading:
    """One at a time. `line`: to the process under way, at which its outcome comes."""

    def __init__(self, reload: Reload) -> None:
        self._reload = reload
        self.line: socket | None = None
        self._process = 0
        self._outcome = b""

    def begin(self, hand: Any, others: Iterable[socket]) -> None:
        """Starts the process. `others`: lines to other ones."""
        ours, theirs = socketpair()
        with theirs:
            try:
                self._process = forked("hookfold-reload", partial(self._give, hand, theirs), [*others, ours])
            except OSError as error:
                ours.close()
                _logger.error("reload_failed", reason=str(error), mend="send SIGHUP again")  # noqa: TRY400 - a line, not a traceback
                return
        self.line, self._outcome = ours, b""

    def _give(self, hand: Any, theirs: socket) -> None:
        """In that process."""
        theirs.sendall(pickle.dumps(self._reload(hand)))

    def read(self) -> Reloaded | None:
        """Once there is something to read: what was read again, if it is known and not None."""
        piece = b"" if self.line is None else self.line.recv(_READ)
        self._outcome += piece
        if piece:
            return None
        self.leave()
        found: Reloaded | None = pickle.loads(self._outcome) if self._outcome else None  # noqa: S301 - from our own process
        return found

    def leave(self) -> None:
        """Ends the process that is under way, if one is."""
        if self.line is not None:
            os.kill(self._process, signal.SIGKILL)
            os.waitpid(self._process, 0)
            self.line.close()
            self.line = None
