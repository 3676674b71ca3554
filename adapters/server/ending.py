"""What a service is ended by, or reads its secrets again, and how its main thread hears of it."""

import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

STOPS = (signal.SIGINT, signal.SIGTERM)
RELOAD = signal.SIGHUP


class Ending:
    """From now on SIGTERM, Ctrl-C and SIGHUP end nothing by themselves: they are told to who waits.

    A handler runs in the midst of what the main thread is doing. One that takes a lock, as `Event.set` does, waits for
    ever where it interrupted the very code that holds it, itself maybe. So nobody but the kernel does anything here: it
    writes a byte to a socket.
    """

    def __init__(self) -> None:
        self._told, self._telling = socket.socketpair()
        self._telling.setblocking(False)
        signal.set_wakeup_fd(self._telling.fileno(), warn_on_full_buffer=False)
        for told in (*STOPS, RELOAD):
            signal.signal(told, lambda *_: None)
        self._terminal = os.isatty(0)
        self._broken: str | None = None

    def give_up(self, why: str) -> None:
        """For any thread: a part of the service cannot do its work, and starting it anew does not help."""
        self._broken = self._broken or why
        with suppress(BlockingIOError):  # as often as that it was told already
            self._telling.send(b"\0")

    def wait(self, reload: Callable[[], None]) -> str | None:
        """Returns once this process is told to stop, or why a part of it gave up. `reload` is called at each SIGHUP.

        Whoever tells it again changes nothing, up to its exit.
        """
        while self._told.recv(1)[0] == RELOAD and not self._hung_up():
            reload()
        for stop in STOPS:
            signal.signal(stop, signal.SIG_IGN)
        return self._broken

    def _hung_up(self) -> bool:
        """Whether the terminal is gone that it was started in: the same signal tells so."""
        return self._terminal and not os.isatty(0)
