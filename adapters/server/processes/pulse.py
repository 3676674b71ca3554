"""Heartbeats to the supervisor, which kills and restarts a process that sends none.

A process that is stopped or stuck does not exit by itself, so nothing else would show it.
"""

from contextlib import suppress
from socket import socket
from threading import Thread
from time import monotonic, sleep

EVERY = 1.0
"""Seconds between two heartbeats."""


class Pulse:
    """Sends heartbeats from a thread of its own while `goes_on` is called at least every `longest` seconds.

    The worker does not send them itself, because one step may take longer than the supervisor's heartbeat timeout.
    """

    def __init__(self, longest: float, line: socket) -> None:
        self._longest = longest
        self._line = line
        self._went_on = monotonic()

    def start(self) -> None:
        """Starts the thread."""
        self._line.setblocking(False)
        Thread(target=self._beat, name="hookfold-pulse", daemon=True).start()

    def goes_on(self) -> None:
        """Reports progress. The worker calls it at each step."""
        self._went_on = monotonic()

    def _beat(self) -> None:
        while self._line.fileno() >= 0:
            if monotonic() - self._went_on < self._longest:
                with suppress(OSError):  # who keeps us does not read now, or is gone
                    self._line.send(b".")
            sleep(EVERY)
