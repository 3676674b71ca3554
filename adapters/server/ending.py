"""What a service is ended by, and how its main thread hears of it."""

import signal
import socket

STOPS = (signal.SIGINT, signal.SIGTERM)


class Ending:
    """From now on SIGTERM and Ctrl-C end nothing by themselves: they are told to who waits.

    A handler runs in the midst of what the main thread is doing. One that takes a lock, as `Event.set` does, waits for
    ever where it interrupted the very code that holds it, itself maybe. So nobody but the kernel does anything here: it
    writes a byte to a socket.
    """

    def __init__(self) -> None:
        self._told, self._telling = socket.socketpair()
        self._telling.setblocking(False)
        signal.set_wakeup_fd(self._telling.fileno(), warn_on_full_buffer=False)
        for stop in STOPS:
            signal.signal(stop, lambda *_: None)

    def wait(self) -> None:
        """Returns once this process is told to stop. Whoever tells it again changes nothing, up to its exit."""
        self._told.recv(1)
        for stop in STOPS:
            signal.signal(stop, signal.SIG_IGN)
