"""When the next line of progress is due."""

import time

EVERY = 2.0
"""Seconds between two lines."""


class Pace:
    """Limits progress to one line every two seconds."""

    def __init__(self) -> None:
        self._began = self._told = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the work began, at least a microsecond."""
        return max(time.monotonic() - self._began, 1e-6)

    def due(self) -> bool:
        """Whether a line is due. If so, the next one is due two seconds later."""
        now = time.monotonic()
        if now - self._told < EVERY:
            return False
        self._told = now
        return True
