"""One process that a service keeps running: its start, its signs of life, its deaths, its end."""

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
"""Seconds between two looks at most. A longer wait counts as no more than that: we may have been stopped as well."""
SILENT = 10.0
"""Seconds without a sign, behind which a process is killed."""
STARTING = 120.0
"""The same before its first sign: a machine that has much to do starts slowly."""
_PAUSE = 0.1
"""Seconds before a death is told, and again before the next start; each death at the start doubles those."""
_LONGEST_PAUSE = 5.0
_STEADY = 10.0
"""Seconds from its first sign of life behind which a process did not die at its start."""
_DEATHS = 8
"""Deaths at its start, one after another, behind which nobody starts it any more: whoever supervises us has to know."""
_LAST_WORDS = 90.0
"""Seconds for a process that was told to end; behind them it is killed: what it has not answered is sent again."""

Work = Callable[[Parent], object]
_logger = structlog.get_logger()


class Child:
    """Runs `work` in a process of that name, again and again, until it is told to end.

    One that was killed may have been in the way of somebody. One that ends by itself at its start, time and again, is
    broken, and is started no more: `broken` tells why. `needed`: whether the service cannot do without it.
    `takes_anew`: whether the process reads what it is handed while it runs; `unsent` is what waits for that.
    `port`: the socket that it listens on, and that no other process may hold.
    """

    def __init__(
        self, name: str, work: Work, *, needed: bool = True, takes_anew: bool = False, port: socket | None = None
    ) -> None:
        self.name = name
        self.needed = needed
        self.port = port
        self.broken: str | None = None
        self.line: socket | None = None
        """To its process: signs of life come through it, and it ends with that."""
        self.due: float | None = None
        """When `act` has something to do."""
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
        """Whether its process has given a sign of life."""
        return self.line is not None and self._lives_since is not None

    @property
    def ended(self) -> bool:
        """Whether nothing runs, and nothing will."""
        return self.line is None and self.due is None

    def begin(self) -> None:
        """Has the first process started."""
        self.due = monotonic()

    def hand(self, hand: Any) -> None:
        """Replaces the input: the next process starts with it. The running one is sent it, too, if `takes_anew`."""
        self._hand = hand
        if self._takes_anew and self.line is not None and not self._told:
            self.unsent += framed(hand)

    def send(self) -> None:
        """As much as the process takes now of what is unsent."""
        if self.line is not None:
            with suppress(OSError):  # it takes no more now, or died: its line ends
                self.unsent = self.unsent[self.line.send(self.unsent) :]

    def hear(self) -> None:
        """Reads its signs, once there are some. At their end it has died."""
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
        """So long there was no sign of it."""
        if self.line is not None:
            self._silent += min(seconds, LOOK)
            if self._silent >= SILENT:
                self._kill("it gave no sign of life")

    def tell(self) -> None:
        """Tells the process to end, once; it has so long from now on."""
        if self._told:
            return
        self._told, self.unsent, self.due = True, b"", None
        if self.line is not None:
            with suppress(OSError):  # it died
                self.line.shutdown(SHUT_WR)
            self.due = monotonic() + _LAST_WORDS

    def act(self, others: Iterable[socket]) -> None:
        """What is due: a process is killed at last; or a death is told, and behind a pause the next process started.

        `others`: sockets that belong to other ones.
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
        """The pause is for who stops a whole service, and may have ended this process before we are told."""
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
        """Deaths at its start, one after another; what was killed (by whom is unknown here) says nothing of itself."""
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
        """In the process."""
        self._work(Parent(self._hand, line))
