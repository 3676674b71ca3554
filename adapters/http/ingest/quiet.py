"""Lines that senders cause: they may cause any number of them, and one a minute is enough."""

from threading import Lock
from time import monotonic

QUIET = 60.0
"""Seconds between two lines of one cause: a sender that does something wrong repeats it."""


class Quiet:
    """Says when a line about one cause is due, and for how many occurrences it stands. Any thread may call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._since = 0
        self._due = 0.0

    def count(self) -> int:
        """Counts one; how many a line stands for that is due now, 0 while none is."""
        with self._lock:
            self._since += 1
            if monotonic() < self._due:
                return 0
            count, self._since, self._due = self._since, 0, monotonic() + QUIET
            return count
