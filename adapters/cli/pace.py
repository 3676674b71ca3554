"""When the next line of progress is due."""

import time

EVERY = 2.0
"""Seconds between two lines."""


class Pace:
    """One line every two seconds of work."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long the work has gone on."""
        return max(time.monotonic() - self._began, 1e-6)

    def due(self) -> bool:
        """Whether a line is to be told now; it counts as told."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return False
        self._told = now
        return True
