"""Appends spooled deliveries to the log, in order and exactly once, whatever is killed in between.

A segment is deleted once all of it is committed. If it is drained again, the log recognises deliveries by key and
arrival.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from adapters.http import LogThrottle
from adapters.server.commits.frames import Item
from adapters.server.commits.spool import DeliverySpool, Read
from adapters.sql import Probe, Receipt, Unavailable, Unstorable

TOGETHER = 128
"""The most deliveries that are with the writer at a time."""
MOST_BYTES = 8 << 20
"""The most bytes of their bodies, unless a single one is larger."""
HOLDING = 1.0
"""Seconds for the last deliveries of a segment, while nobody may add. Afterwards new deliveries go directly to the
log."""
LOOK = 0.5
"""Seconds between two checks of the spool, and before the database is tried again."""
LOCK_RETRY = 0.01
"""Seconds before the lock is tried again."""

_INSPECT = (
    "inspect the file, then delete it; to try again, rename it to .spool. "
    "Bytes of a write that a crash cut short were never acknowledged"
)
_logger = structlog.get_logger()


class Draining:
    """Drains one source's spool, in one process. `commit` returns the log's outcome of a delivery."""

    def __init__(self, spool: DeliverySpool, commit: Callable[[Item], Awaitable[Receipt | Unavailable]]) -> None:
        self._spool = spool
        self._commit = commit
        self._stopping = asyncio.Event()
        self._count = 0
        self._faults = LogThrottle()

    def wake(self) -> None:
        """Does nothing: appends to the log do not matter here."""

    def stop(self) -> None:
        """Makes `run` return once the pending deliveries are answered."""
        self._stopping.set()

    async def run(self) -> None:
        """Drains until stopped. Of several services with one folder, only one drains."""
        while not self._stopping.is_set():
            try:
                await self._drain_if_waiting()
            except (BlockingIOError, Unavailable):  # another process drains, or the log cannot commit yet
                pass
            except OSError as error:
                self._tell_fault(error)
            await self._rest(LOOK)

    async def _drain_if_waiting(self) -> None:
        if not await asyncio.to_thread(self._spool.is_empty):
            async with self._taken("draining"):
                await self._drain()

    @asynccontextmanager
    async def _taken(self, name: str) -> AsyncIterator[None]:
        """Holds a lock of the spool. Raises BlockingIOError if another process has it."""
        lock = self._spool.taken(name, wait=False)
        await asyncio.to_thread(lock.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(lock.__exit__, None, None, None)

    async def _drain(self) -> None:
        """Raises Unavailable while the log cannot commit."""
        while not self._stopping.is_set() and (segment := await asyncio.to_thread(self._spool.oldest)) is not None:
            await self._drain_segment(segment)
        if self._count and await asyncio.to_thread(self._spool.is_empty):
            _logger.warning("spool_drained", source=self._spool.source, count=self._count)
            self._count = 0

    async def _drain_segment(self, segment: Path) -> None:
        progress = _Progress()
        progress.add(*await self._append(await asyncio.to_thread(self._alone, self._spool.read_first, segment)))
        while not self._stopping.is_set():
            more = await asyncio.to_thread(self._alone, self._spool.read, segment, progress.end)
            progress.add(*await self._append(more))
            try:
                async with self._taken("lock"):
                    rest = await asyncio.to_thread(self._spool.read, segment, progress.end)
                    if len(rest.items) <= TOGETHER:
                        progress.add(*await self._append_in_time(rest))
                        await asyncio.to_thread(self._remove_or_set_aside, segment, progress)
                        break
            except BlockingIOError:  # another process adds
                await self._rest(LOCK_RETRY)

    def _alone(self, read: Callable[..., Read], *given: Any) -> Read:
        """The result of `read` while nobody adds, since a failed write is undone."""
        with self._spool.taken("lock"):
            return read(*given)

    async def _append_in_time(self, read: Read) -> tuple[Read, int]:
        try:
            async with asyncio.timeout(HOLDING):
                return await self._append(read)
        except TimeoutError as error:
            raise Unavailable("the log does not commit in time") from error

    async def _append(self, read: Read) -> tuple[Read, int]:
        """Commits deliveries, the first one alone, so that no other follows while the log is away. Returns the rest and
        the number refused.

        Raises Unavailable.
        """
        items, refused = read.items, 0
        while items and not self._stopping.is_set():
            together = _together(items) if items is not read.items else 1
            some, items = items[:together], items[together:]
            refused += _refused(await asyncio.gather(*map(self._commit, some)))
        if items:
            raise Unavailable("the service stops")
        return read, refused

    def _remove_or_set_aside(self, segment: Path, progress: "_Progress") -> None:
        self._count += progress.count
        if not (progress.unreadable or progress.refused):
            self._spool.remove(segment)
            return
        details = {"unreadable_bytes": progress.unreadable, "refused": progress.refused, "mend": _INSPECT}
        _logger.error("spool_set_aside", source=self._spool.source, file=str(self._spool.set_aside(segment)), **details)

    def _tell_fault(self, error: OSError) -> None:
        if count := self._faults.count():
            mend = f"let the service read and write in {self._spool.folder}: what waits there stays there"
            _logger.error("spool_unusable", source=self._spool.source, reason=error.strerror, count=count, mend=mend)

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


class _Progress:
    """The progress with a segment."""

    def __init__(self) -> None:
        self.end = self.count = self.unreadable = self.refused = 0

    def add(self, read: Read, refused: int) -> None:
        self.end = read.end
        self.count += len(read.items)
        self.unreadable += read.unreadable
        self.refused += refused


def _together(items: Sequence[Item]) -> int:
    """How many of the first items the writer gets at a time."""
    size = 0
    for count, item in enumerate(items[:TOGETHER]):
        size += 0 if isinstance(item, Probe) else len(item.body)
        if count and size > MOST_BYTES:
            return count
    return min(len(items), TOGETHER)


def _refused(outcomes: Sequence[Receipt | Unavailable]) -> int:
    """How many the database refuses in every form. Raises Unavailable for the first that it may accept later."""
    for outcome in outcomes:
        if isinstance(outcome, Unavailable) and not isinstance(outcome, Unstorable):
            raise outcome
    return sum(isinstance(outcome, Unstorable) for outcome in outcomes)
