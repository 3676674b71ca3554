"""A serving process's link to the writing process, for the event loop and for threads."""

import asyncio
import socket
from asyncio import AbstractEventLoop, Transport
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from itertools import islice
from typing import NamedTuple, cast

from prometheus_client import Gauge, Histogram

from adapters.server.commits.frames import Inbox, Item, Listen, Outcome, Trace, Unstored, frame, pack
from adapters.sql import Entry, Receipt, Unavailable, Unstorable, sealed_by
from core.ids import Ids

Tell = Callable[[Receipt | Unavailable], None]

ENOUGH = 8
"""Deliveries that are sent without waiting for others of the same iteration, to give the writer work."""

MOST_ITEMS = 4_096
"""The most deliveries that are with the writer. Further ones are refused."""
MOST_BYTES = 64 << 20
"""The bytes of these deliveries after which the next one is refused."""

_LOOK = 0.25
"""Seconds between two checks for expired deliveries."""

_LISTEN = frame([pack(Listen())])
_GONE = "the writing process is away"
_SLOW = "the writing process does not answer in time"
_FULL = "too much waits for the writing process"
_READS = "this service only reads"


QUEUE = Gauge("hookfold_commit_queue", "Deliveries that wait for their commit.", registry=None)
BATCH = Histogram(
    "hookfold_batch_deliveries",
    "Deliveries of a process that were answered together.",
    buckets=[1, 2, 4, 8, 16, 32, 64, 128, 256],
    registry=None,
)
COMMIT = Histogram(
    "hookfold_commit_seconds", "From the oldest delivery of a batch, as it was handed in, to its answer.", registry=None
)
METRICS = (QUEUE, BATCH, COMMIT)


class _Pending(NamedTuple):
    tell: Tell
    size: int
    due: float


class Link(asyncio.Protocol):
    """Belongs to one event loop. Sends deliveries of one iteration as one frame; outcomes come in order.

    If the writer is idle, a delivery is sent at once. Entries are sealed here, because the writer is the bottleneck. A
    delivery without outcome within `patience` seconds fails as unknown: the sender retries, and the key identifies the
    delivery. The supervisor restarts a writer that hangs; until then its deliveries count towards the limits. `connect`
    opens a connection to the writer.
    """

    def __init__(self, connect: Callable[[], socket.socket], ids: Ids, patience: float) -> None:
        self._connect_anew = connect
        self._ids = ids
        self._patience = patience
        self._loop: AbstractEventLoop
        self._transport: Transport | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._inbox = _inbox()
        self._outgoing: list[bytes] = []
        self._pending: deque[_Pending] = deque()
        self._late = 0
        self._bytes = 0
        self._closed = False
        self._news: dict[Callable[[], None], None] = {}
        QUEUE.set_function(lambda: len(self._pending))

    def commit(self, item: Item, tell: Tell, trace: bytes = b"") -> None:
        """Sends a delivery; calls `tell` with its outcome in the event loop. `trace` is its span's context."""
        if len(self._pending) >= MOST_ITEMS or self._bytes >= MOST_BYTES:
            tell(Unavailable(_FULL))
            return
        if isinstance(item, Entry) and item.sealed is None:
            item.sealed = sealed_by(self._ids, item)
            item.headers = []
        packed = pack(item)
        self._bytes += len(packed)
        if not self._outgoing:
            self._loop.call_soon(self._send)
        if trace:
            self._outgoing.append(pack(Trace(trace)))
        self._outgoing.append(packed)
        self._pending.append(_Pending(tell, len(packed), self._loop.time() + self._patience))
        if len(self._pending) == 1 or len(self._outgoing) >= ENOUGH:
            self._send()

    def append(self, item: Item) -> Receipt:
        """The same for a thread, which waits. Raises Unavailable."""
        waiting: Future[Receipt | Unavailable] = Future()
        self._loop.call_soon_threadsafe(self._commit_for, item, waiting)
        outcome = waiting.result()
        if isinstance(outcome, Unavailable):
            raise outcome
        return outcome

    def _commit_for(self, item: Item, waiting: "Future[Receipt | Unavailable]") -> None:
        try:
            self.commit(item, waiting.set_result)
        except Exception as error:  # noqa: BLE001 - the thread that waits raises it
            waiting.set_exception(error)

    def listen(self, news: Callable[[], None]) -> None:
        """Registers `news` to be called after commits. Call it repeatedly, since the writer may have been replaced."""
        if not self._news and self._transport is not None:
            self._transport.write(_LISTEN)
        self._news[news] = None
        self._connect_if_away()

    def tie(self, loop: AbstractEventLoop) -> None:
        """Binds the link to its event loop. Call this first."""
        self._loop = loop
        self._look()

    def close(self) -> None:
        """Closes the link: pending and later deliveries fail because the writer is away."""
        self._closed = True
        if self._transport is not None:
            self._transport.abort()
        else:
            self._give_up()

    def _look(self) -> None:
        """Fails expired deliveries. Their outcomes, which come in order, are discarded later."""
        self._loop.call_later(_LOOK, self._look)
        now = self._loop.time()
        while self._late < len(self._pending) and self._pending[self._late].due <= now:
            self._late += 1
            self._pending[self._late - 1].tell(Unavailable(_SLOW))

    def _send(self) -> None:
        """Sends the pending frame, or connects first."""
        if not self._outgoing:
            return
        if self._closed:
            self._give_up()
        elif self._transport is not None:
            self._transport.write(frame(self._outgoing))
            self._outgoing.clear()
        else:
            self._connect_if_away()

    def _connect_if_away(self) -> None:
        if self._transport is None and self._connecting is None and not self._closed:
            self._connecting = self._loop.create_task(self._connect())

    async def _connect(self) -> None:
        try:
            await self._loop.create_unix_connection(lambda: self, sock=self._connect_anew())
        except OSError:
            self._transport = None
        finally:
            self._connecting = None
            if self._transport is None:
                self._give_up()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call."""
        self._transport = cast(Transport, transport)
        if self._news:
            self._transport.write(_LISTEN)
        self._send()

    def data_received(self, data: bytes) -> None:
        """Asyncio's call."""
        outcomes = self._inbox.whole(data)
        handed_in = self._pending[0].due - self._patience if outcomes else 0.0
        for outcome in outcomes:
            pending = self._pending.popleft()
            self._bytes -= pending.size
            if self._late:
                self._late -= 1
            else:
                pending.tell(_told(outcome))
        if outcomes:
            self._loop.call_soon(self._observe, len(outcomes), self._loop.time() - handed_in)
        for news in list(self._news):
            news()

    def _observe(self, count: int, seconds: float) -> None:
        BATCH.observe(count)
        COMMIT.observe(seconds)

    def connection_lost(self, _error: Exception | None) -> None:
        """Asyncio's call: the outcomes of pending deliveries are unknown."""
        self._transport, self._inbox = None, _inbox()
        self._give_up()

    def _give_up(self) -> None:
        self._outgoing.clear()
        waiting = islice(self._pending, self._late, None)
        self._pending, self._late, self._bytes = deque(), 0, 0
        for pending in waiting:
            pending.tell(Unavailable(_GONE))


class NoWriter:
    """Replaces the link in a read-only service."""

    def commit(self, _item: Item, tell: Tell, _trace: bytes = b"") -> None:
        """Refuses it."""
        tell(Unavailable(_READS))

    def append(self, _item: Item) -> Receipt:
        """Refuses it. Raises Unavailable."""
        raise Unavailable(_READS)

    def listen(self, news: Callable[[], None]) -> None:
        """Does nothing: there are no commits."""

    def tie(self, loop: AbstractEventLoop) -> None:
        """Does nothing."""

    def close(self) -> None:
        """Does nothing: no delivery is pending."""


def outcome_of(link: "Link", item: Item, trace: bytes = b"") -> asyncio.Future[Receipt | Unavailable]:
    """`commit` as a future. The delivery is sent even if nobody awaits it."""
    told: asyncio.Future[Receipt | Unavailable] = asyncio.get_running_loop().create_future()
    link.commit(item, lambda outcome: None if told.done() else told.set_result(outcome), trace)
    return told


def _told(outcome: Outcome) -> Receipt | Unavailable:
    if isinstance(outcome, Receipt):
        return outcome
    return Unstorable(outcome.reason) if isinstance(outcome, Unstored) else Unavailable(outcome)


def _inbox() -> Inbox[Outcome]:
    return Inbox[Outcome](Outcome)  # type: ignore[arg-type]  # a union
