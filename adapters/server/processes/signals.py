"""The signals that end a service or have it read its secrets again, and how its main process hears of them."""

import os
import signal
import socket

STOPS = (signal.SIGINT, signal.SIGTERM)
RELOAD = signal.SIGHUP


class Signals:
    """From now on SIGTERM, Ctrl-C and SIGHUP end nothing by themselves: they can be read.

    A handler runs in the midst of what the main thread is doing. One that takes a lock, as `Event.set` does, waits for
    ever where it interrupted the very code that holds it, itself maybe. So nobody but the kernel does anything here: it
    writes a byte to a socket.
    """

    def __init__(self) -> None:
        self._told, self._telling = socket.socketpair()
        self._told.setblocking(False)
        self._telling.setblocking(False)
        signal.set_wakeup_fd(self._telling.fileno(), warn_on_full_buffer=False)
        for told in (*STOPS, RELOAD):
            signal.signal(told, lambda *_: None)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody learns how a process ended
        self._terminal = os.isatty(0)

    def fileno(self) -> int:
        """Can be read once there was a signal."""
        return self._told.fileno()

    def read(self) -> tuple[bool, bool]:
        """Whether the service has to stop, and whether it has to read its secrets again. Once there is something."""
        told = self._told.recv(1_024)
        hung_up = RELOAD in told and self._hung_up()
        return hung_up or any(stop in told for stop in STOPS), RELOAD in told

    def ignore(self) -> None:
        """Whoever tells it again changes nothing, up to its exit."""
        for stop in STOPS:
            signal.signal(stop, signal.SIG_IGN)

    def _hung_up(self) -> bool:
        """Whether the terminal is gone that it was started in: the same signal tells so."""
        return self._terminal and not os.isatty(0)


def leave_to_parent() -> None:
    """Who stops a whole service at once reaches this process too; its parent ends it, behind those that answer."""
    for stop in STOPS:
        signal.signal(stop, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
