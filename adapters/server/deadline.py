"""A deadline for many short waits: one look a second over all of them, instead of a timer for each."""

import asyncio
from types import TracebackType
from typing import Any


class Deadline:
    """`with deadline:` around an await ends it after `seconds` (and up to one more), and leaves the block silently."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[asyncio.Task[Any], float] = {}
        self._overdue: set[asyncio.Task[Any]] = set()
        self._looking = False

    def __enter__(self) -> None:
        loop = asyncio.get_running_loop()
        task: Any = asyncio.current_task()
        self._waiting[task] = loop.time() + self._seconds
        if not self._looking:
            self._looking = True
            loop.call_later(1.0, self._look, loop)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        task: Any = asyncio.current_task()
        del self._waiting[task]
        if kind is not asyncio.CancelledError or task not in self._overdue:
            return False
        self._overdue.discard(task)
        task.uncancel()
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for task, end in self._waiting.items():
            if end <= now:
                self._overdue.add(task)
                task.cancel()
        self._looking = bool(self._waiting)
        if self._looking:
            loop.call_later(1.0, self._look, loop)
