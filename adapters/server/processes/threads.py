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
"""The interpreter's switch interval in seconds while a thread of a pool runs."""

AHEAD = 4
"""The most results per thread that may wait for the event loop, so that memory is bounded while it is busy."""

_ALONE = sys.getswitchinterval()


class Threads:
    """A bounded pool.

    While its threads run, they switch often, because the event loop waits for the interpreter. Without any, nothing
    interrupts the loop.
    """

    _running: ClassVar[int] = 0
    _counting: ClassVar[Lock] = Lock()

    def __init__(self, most: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(most, thread_name_prefix=name)
        self._room = Semaphore(AHEAD * most)

    def run(self, work: Callable[[], Result]) -> "Future[Result]":
        """Runs the work in a thread; the future belongs to the event loop."""
        running = asyncio.get_running_loop().run_in_executor(self._pool, self._counted, work)
        running.add_done_callback(self._taken)
        return running

    def _taken(self, run: "Future[Result]") -> None:
        if not run.cancelled():
            self._room.release()

    def close(self) -> None:
        """Waits for running tasks. Do not call it in the event loop: a task may be waiting for the loop."""
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
