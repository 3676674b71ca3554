"""Limits log lines that senders cause to one a minute."""

from threading import Lock
from time import monotonic

QUIET = 60.0
"""Seconds between two lines with one cause, since a faulty sender repeats its fault."""


class LogThrottle:
    """Decides when a line about one cause is due, and for how many occurrences it stands. Thread-safe."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._since = 0
        self._due = 0.0

    def count(self) -> int:
        """Counts an occurrence; returns how many a line that is due now stands for, or 0 if none is due."""
        with self._lock:
            self._since += 1
            if monotonic() < self._due:
                return 0
            count, self._since, self._due = self._since, 0, monotonic() + QUIET
            return count
