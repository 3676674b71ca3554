"""Accepts deliveries while the log cannot commit: spools them in order of arrival."""

import asyncio
from asyncio import Future, Task

import structlog

from adapters.http import SPOOLED, LogThrottle
from adapters.server.commits.frames import Item, pack
from adapters.server.commits.link import Link, outcome_of
from adapters.server.commits.spool import DeliverySpool, Kept, SpoolFullError
from adapters.sql import Entry, Receipt, Unavailable, Unstorable, sealed_by
from core.ids import Ids

PATIENCE = 2.0
"""Seconds that the log has for a delivery before it is spooled. The handler still needs time to answer."""

FRESH = 0.05
"""How long a look into the folder is valid, in seconds. Other processes add to it, too."""
LOOKED = 0.5
"""Seconds for such a look before the log is tried."""
SYNCED = 4.0
"""Seconds for the file to be synced."""
WITHIN = 6.0
"""Seconds for everything before a delivery is refused. Senders wait 9 s and more."""
MOST_BYTES = 64 << 20
"""The most bytes of deliveries that wait for a sync."""

_logger = structlog.get_logger()


class Spooling:
    """Spools for one source in one process. Belongs to the event loop. Deliveries that arrive during a sync share the
    next.

    An entry that the log did not commit in time may be in it all the same. When drained, it is recognised by key and
    arrival.
    """

    def __init__(self, spool: DeliverySpool, link: Link, ids: Ids) -> None:
        self._spool = spool
        self._link = link
        self._ids = ids
        self._waiting: list[tuple[Kept, Future[bool]]] = []
        self._bytes = 0
        self._writing: Task[None] | None = None
        self._waits = False
        self._looking: Task[None] | None = None
        self._look_after = 0.0
        self._spooled, self._refused = LogThrottle(), LogThrottle()

    async def take(self, item: Item, trace: bytes = b"") -> Receipt | Unavailable:
        """The log's receipt or `SPOOLED`; Unavailable if both fail, or if the database refuses it in every form.

        `trace` as in `Link.commit`.
        """
        try:
            async with asyncio.timeout(WITHIN):
                return await self._take(item, trace)
        except (OSError, SpoolFullError) as error:  # includes TimeoutError
            reason = str(error) if isinstance(error, SpoolFullError) else type(error).__name__
            self._tell_refused(reason)
            return Unavailable(reason)

    async def _take(self, item: Item, trace: bytes) -> Receipt | Unavailable:
        """Raises OSError and SpoolFullError."""
        if await self._queues(item):
            return SPOOLED
        outcome = await self._commit(item, trace)
        if isinstance(outcome, Receipt | Unstorable):
            return outcome
        await self._keep(item, behind=False)
        self._tell_spooled(outcome)
        return SPOOLED

    async def _queues(self, item: Item) -> bool:
        """Spools the delivery if others wait; False if the log should be tried."""
        try:
            return await self._others_wait() and await self._keep(item, behind=True)
        except (OSError, SpoolFullError):
            return False

    async def _others_wait(self) -> bool:
        """Whether deliveries are spooled. Looks in a thread, because a hanging disk would block every source. Raises
        OSError.

        Once some are, only an append can find that none are left.
        """
        loop = asyncio.get_running_loop()
        if not self._waits and loop.time() >= self._look_after:
            self._looking = self._looking or loop.create_task(self._look())
            async with asyncio.timeout(LOOKED):
                await asyncio.shield(self._looking)
        return self._waits

    async def _look(self) -> None:
        try:
            self._waits = not await asyncio.to_thread(self._spool.is_empty) or self._waits
        except OSError:  # the next append reports it
            pass
        finally:
            self._looking = None
            self._look_after = asyncio.get_running_loop().time() + FRESH

    async def _commit(self, item: Item, trace: bytes) -> Receipt | Unavailable:
        try:
            async with asyncio.timeout(PATIENCE):
                return await outcome_of(self._link, item, trace)
        except TimeoutError:
            return Unavailable("the log does not commit in time")

    async def _keep(self, item: Item, *, behind: bool) -> bool:
        """Raises OSError (including TimeoutError) and SpoolFullError."""
        if isinstance(item, Entry):
            if item.sealed is None:
                item.sealed, item.headers = sealed_by(self._ids, item), []
            item.spooled = True
        if self._bytes >= MOST_BYTES:
            raise SpoolFullError("too much waits for the disk")
        loop, one = asyncio.get_running_loop(), Kept(pack(item), behind)
        kept: Future[bool] = loop.create_future()
        self._bytes += len(one.packed)
        self._waiting.append((one, kept))
        if self._writing is None:
            self._writing = loop.create_task(self._write())
        async with asyncio.timeout(SYNCED):
            return await kept

    async def _write(self) -> None:
        while self._waiting:
            some, self._waiting = self._waiting, []
            await self._write_together([one for one, _ in some], [kept for _, kept in some])
        self._writing = None

    async def _write_together(self, waiting: list[Kept], kept: "list[Future[bool]]") -> None:
        """Writes the waiting deliveries. Cancelled ones get no result."""
        outcomes: list[bool] = []
        error: Exception | None = None
        try:
            outcomes = await asyncio.to_thread(self._spool.append, waiting)
            self._waits = outcomes[-1]  # if any is spooled, the last one is
        except Exception as raised:  # noqa: BLE001 - whoever waits for it raises it
            error = raised
        self._bytes -= sum(len(one.packed) for one in waiting)
        for place, one in enumerate(kept):
            if one.done():
                continue
            if error is not None:
                one.set_exception(error)
            else:
                one.set_result(outcomes[place])

    def _tell_spooled(self, reason: Unavailable) -> None:
        if count := self._spooled.count():
            mend = "the service takes them into the log once that commits again: mend the database"
            source = self._spool.source
            _logger.warning("spooling", source=source, reason=str(reason), count=count, mend=mend)

    def _tell_refused(self, reason: str) -> None:
        if count := self._refused.count():
            mend = "deliveries are refused with 503: mend the database, make room, or raise spool_bytes"
            _logger.error("spool_refuses", source=self._spool.source, reason=reason, count=count, mend=mend)
