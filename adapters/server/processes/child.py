"""One supervised process: its start, heartbeats, deaths and end."""

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from socket import SHUT_WR, socket
from time import monotonic
from typing import Any

import structlog

from adapters.server.processes.forked import forked
from adapters.server.processes.parent import Parent, framed

LOOK = 2.0
"""The longest time between two checks in seconds. A longer one counts as this: the supervisor may have been stopped."""
SILENT = 10.0
"""Seconds without a heartbeat after which a process is killed."""
STARTING = 120.0
"""The same before the first heartbeat, because a busy machine starts processes slowly."""
_PAUSE = 0.1
"""Seconds before a death is logged, and again before the restart. Each death at the start doubles the latter."""
_LONGEST_PAUSE = 5.0
_STEADY = 10.0
"""Seconds after the first heartbeat until a death no longer counts as one at the start."""
_DEATHS = 8
"""Consecutive deaths at the start after which a process is not restarted, so that our own supervisor learns of it."""
_LAST_WORDS = 90.0
"""Seconds after which a process that was told to end is killed. Senders repeat what it has not answered."""

Work = Callable[[Parent], object]
_logger = structlog.get_logger()


class Child:
    """Runs `work` in a process of that name and restarts it until it is told to end.

    A process that repeatedly exits during startup is not restarted; `broken` is the reason then. Deaths by SIGKILL do
    not count, since they say nothing about the process. `needed`: the service cannot work without it. `takes_anew`:
    the process reads new input while it runs; `unsent` is the part not sent yet. `port` is its listening socket, which
    no other process may hold.
    """

    def __init__(
        self, name: str, work: Work, *, needed: bool = True, takes_anew: bool = False, port: socket | None = None
    ) -> None:
        self.name = name
        self.needed = needed
        self.port = port
        self.broken: str | None = None
        self.line: socket | None = None
        """The socket to its process, for heartbeats. It closes when the process ends."""
        self.due: float | None = None
        """When `act` must be called; None: not at all."""
        self.unsent = b""
        self._work = work
        self._takes_anew = takes_anew
        self._hand: Any = None
        self._process = 0
        self._status: int | None = None
        self._silent = 0.0
        self._lives_since: float | None = None
        self._deaths = 0
        self._told = False

    @property
    def lives(self) -> bool:
        """Whether its process has sent a heartbeat."""
        return self.line is not None and self._lives_since is not None

    @property
    def ended(self) -> bool:
        """Whether no process runs, and none will be started."""
        return self.line is None and self.due is None

    def begin(self) -> None:
        """Schedules the first start."""
        self.due = monotonic()

    def hand(self, hand: Any) -> None:
        """Sets the input of the next process. With `takes_anew`, the running process receives it as well."""
        self._hand = hand
        if self._takes_anew and self.line is not None and not self._told:
            self.unsent += framed(hand)

    def send(self) -> None:
        """Sends as much of `unsent` as the process accepts now."""
        if self.line is not None:
            with suppress(OSError):  # it takes no more now, or died: its line ends
                self.unsent = self.unsent[self.line.send(self.unsent) :]

    def hear(self) -> None:
        """Reads heartbeats, when there are any. At the end of the stream the process has died."""
        if self._signs():
            self._silent = 0.0
            self._lives_since = self._lives_since or monotonic()
        else:
            self._bury()

    def _signs(self) -> bytes:
        try:
            return b"" if self.line is None else self.line.recv(1_024)
        except ConnectionResetError:  # what it was told last, it has not read
            return b""

    def miss(self, seconds: float) -> None:
        """Counts seconds without a heartbeat; kills a process that is silent for too long."""
        if self.line is not None:
            self._silent += min(seconds, LOOK)
            if self._silent >= SILENT:
                self._kill("it gave no sign of life")

    def request_stop(self) -> None:
        """Asks the process to stop. It is killed after a timeout. Further calls have no effect."""
        if self._told:
            return
        self._told, self.unsent, self.due = True, b"", None
        if self.line is not None:
            with suppress(OSError):  # it died
                self.line.shutdown(SHUT_WR)
            self.due = monotonic() + _LAST_WORDS

    def act(self, others: Iterable[socket]) -> None:
        """Does what is due: kills a process that does not end, logs a death, or starts the next process.

        `others` are sockets of other processes, which it must close.
        """
        self.due = None
        if self._told:
            self._kill("it did not end in time")
        elif self._status is not None:
            self._judge(self._status)
        else:
            self._start(others)

    def _kill(self, reason: str) -> None:
        if self.line is not None:
            _logger.error("killed", reason=reason, process=self._process)
            os.kill(self._process, signal.SIGKILL)
            self._silent = 0.0

    def _bury(self) -> None:
        """Reaps a dead process. A pause follows, since a stop of the whole service may have reached it before us."""
        if self.line is not None:
            self.line.close()
            self.line, self.unsent = None, b""
            _, status = os.waitpid(self._process, 0)
            self._status = os.waitstatus_to_exitcode(status)
            self.due = None if self._told else monotonic() + _PAUSE

    def _judge(self, status: int) -> None:
        self._status = None
        self._count(status)
        died = f"{self.name}_died"
        _logger.error(died, status=status, deaths_at_start=self._deaths)
        if self._deaths < _DEATHS:
            self._pause()
            return
        self.broken = f"{died}: {_DEATHS} times at its start, with status {status}; see the lines above"
        if not self.needed:
            _logger.error("given_up", reason=self.broken, mend="mend it, and start the service anew: the rest goes on")

    def _count(self, status: int) -> None:
        """Updates the count of consecutive deaths during startup.

        A process that lived longer than `_STEADY` resets it. Other deaths by SIGKILL do not change it.
        """
        if self._lives_since and monotonic() - self._lives_since > _STEADY:
            self._deaths = 0
        elif status != -signal.SIGKILL:
            self._deaths += 1

    def _pause(self) -> None:
        self.due = monotonic() + min(_LONGEST_PAUSE, _PAUSE * 2**self._deaths)

    def _start(self, others: Iterable[socket]) -> None:
        try:
            self._process, line = forked(f"hookfold-{self.name}", self._run, others)
        except OSError as error:  # the system has no room for a process now
            _logger.error("start_failed", reason=str(error))  # noqa: TRY400 - a line, not a traceback
            self._pause()
            return
        line.setblocking(False)
        self.line, self._silent, self._lives_since = line, -STARTING, None

    def _run(self, line: socket) -> None:
        """Runs in the process."""
        self._work(Parent(self._hand, line))
