"""A deadline for many short waits: one look a second over all of them, instead of a timer for each."""

import asyncio
from typing import Protocol


class Waiting(Protocol):
    """What is waited for: a task, a future, or what a server gives for one."""

    def cancel(self) -> object: ...


class Deadline:
    """Cancels what is waited for longer than `seconds` (and up to one more). Belongs to one event loop."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds
        self._now = 0
        self._ends: dict[Waiting, int] = {}
        self._looking = False

    def begin(self, waiting: Waiting) -> None:
        """Counts from now on, until `end`."""
        self._ends[waiting] = self._now + self._seconds
        if not self._looking:
            self._looking = True
            asyncio.get_running_loop().call_later(1.0, self._look)

    def is_over(self, waiting: Waiting) -> bool:
        """True where a wait that has not ended was cancelled by its deadline."""
        return self._ends[waiting] < self._now

    def end(self, waiting: Waiting) -> None:
        """Has to be called however the wait ended."""
        del self._ends[waiting]

    def _look(self) -> None:
        self._now += 1
        for waiting, end in self._ends.items():
            if end < self._now:
                waiting.cancel()
        self._looking = bool(self._ends)
        if self._looking:
            asyncio.get_running_loop().call_later(1.0, self._look)
