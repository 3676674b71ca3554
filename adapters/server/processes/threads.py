"""Pools of threads beside the event loop."""

import asyncio
import sys
from asyncio import Future
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Lock, Semaphore
from typing import ClassVar, TypeVar

Result = TypeVar("Result")

SHARED = 0.0002
"""Seconds for which a thread keeps the interpreter while another one that serves wants it, too."""

AHEAD = 4
"""Results for each thread that may wait for the event loop: while the loop is busy, no more memory is filled."""

_ALONE = sys.getswitchinterval()


class Threads:
    """A bounded pool.

    The event loop waits for the interpreter behind threads that work, so they keep it for short; without any, nobody
    takes it from the loop in the middle of its work.
    """

    _running: ClassVar[int] = 0
    _counting: ClassVar[Lock] = Lock()

    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._room = Semaphore(AHEAD * most)

    def run(self, work: Callable[[], Result]) -> "Future[Result]":
        """Has a thread do it; the event loop is told."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._counted, work)
        running.add_done_callback(self._taken)
        return running

    def _taken(self, run: "Future[Result]") -> None:
        if not run.cancelled():
            self._room.release()

    def close(self) -> None:
        """Waits for those that work; not in the event loop, for which they may wait themselves."""
        self._pool.shutdown(cancel_futures=True)

    def _counted(self, work: Callable[[], Result]) -> Result:
        self._room.acquire()
        self._count(1)
        try:
            return work()
        finally:
            self._count(-1)

    @classmethod
    def _count(cls, change: int) -> None:
        with cls._counting:
            cls._running += change
            sys.setswitchinterval(SHARED if cls._running else _ALONE)
