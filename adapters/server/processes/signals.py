"""The signals that stop a service or make it reread its secrets, and how its main process receives them."""

import os
import signal
import socket

STOPS = (signal.SIGINT, signal.SIGTERM)
RELOAD = signal.SIGHUP


class Signals:
    """Makes SIGTERM, SIGINT and SIGHUP readable from a socket, without their default effect.

    A Python handler interrupts the main thread anywhere. If it takes a lock, as `Event.set` does, it deadlocks when it
    interrupts the code that holds it. So only the interpreter's own handler acts: it writes a byte to a socket.
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
        """The descriptor that becomes readable after a signal."""
        return self._told.fileno()

    def read(self) -> tuple[bool, bool]:
        """Whether to stop, and whether to reread the secrets. Call it when there is something to read."""
        told = self._told.recv(1_024)
        hung_up = RELOAD in told and self._hung_up()
        return hung_up or any(stop in told for stop in STOPS), RELOAD in told

    def ignore(self) -> None:
        """Ignores further signals to stop, until the exit."""
        for stop in STOPS:
            signal.signal(stop, signal.SIG_IGN)

    def _hung_up(self) -> bool:
        """Whether the terminal of the start is gone, which is reported by the same signal."""
        return self._terminal and not os.isatty(0)


def leave_to_parent() -> None:
    """Ignores signals to stop, which may reach the whole process group: the parent ends this process in its order."""
    for stop in STOPS:
        signal.signal(stop, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPS)
