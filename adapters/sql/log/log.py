"""A process's access to the log for appends: batches are submitted, and their outcomes come in the same order."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import Engine

from adapters.sql.database.delivery_numbers import LAST_DELIVERY
from adapters.sql.database.errors import cause_of, is_for_now, is_from_driver
from adapters.sql.database.exceptions import Unavailable, Unstorable
from adapters.sql.dialects.dialect import Ahead, Guarded, Row
from adapters.sql.log.batch import NOTHING_KNOWN, Batch
from adapters.sql.log.entries import Entry, Probe, Receipt, Rejection
from adapters.sql.log.kept_deliveries import DELIVERIES
from adapters.sql.log.seal import seal
from adapters.sql.log.stream_cache import STREAMS
from adapters.sql.log.writer import (
    EVENTS,
    REJECTED,
    USUAL,
    AppendItem,
    AppendOutcome,
    BatchWriter,
    Head,
    More,
    new_rows,
    nothing_more,
)
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import PROJECTIONS
from adapters.sql.projections.versions import EPOCH
from core.event import Instant

T = TypeVar("T")

PRUNED_AFTER = 100
"""Rejections of a source that are sent ahead before one batch takes the append lock to prune old ones."""

LARGE = 65_536
"""Bytes of a rejected body that count as one more rejection."""

_GUARDED = Guarded(
    EPOCH,
    "SELECT leaf FROM events ORDER BY position DESC LIMIT 1",
    USUAL,
    ((EVENTS, ("source", "key")), (STREAMS, ("source", "stream"))),
    {DELIVERIES: ("delivery", LAST_DELIVERY)},
)
"""The last event's leaf identifies the whole log up to it, since no two leaves are equal."""


class Sent:
    """A submitted batch. `outcomes` or `error` is set once `decided` is true.

    For a batch sent ahead, `outcomes` holds the receipts that apply if it is committed, `before` the head before it,
    and `streams` the streams that it touches.
    """

    __slots__ = ("batch", "before", "decided", "error", "outcomes", "streams")

    def __init__(self, batch: Sequence[AppendItem]) -> None:
        self.batch = list(batch)
        self.decided = False
        self.outcomes: list[AppendOutcome] = []
        self.error: Exception | None = None
        self.before = Head()
        self.streams: list[Row] = []


class Log(BatchWriter):
    """The writer of one process. Not thread-safe: see `GroupCommit`.

    On PostgreSQL a batch does not wait for the previous one (optimistic concurrency). It is built from the cache and
    sent with a guard that lets it happen only if the log is as assumed. Otherwise it is decided again under the append
    lock.
    """

    def __init__(self, engine: Engine, code: Code, clock: Callable[[], Instant]) -> None:
        super().__init__(engine, code, clock)
        self._ahead: Ahead | None = None
        self._beside: Any = None
        self._unpruned: Counter[str] = Counter()
        self._under_way: deque[Sent] = deque()

    def close(self) -> None:
        self._settle()
        self._close_beside()
        super().close()

    def append(self, batch: Sequence[AppendItem]) -> list[Receipt]:
        """Like `commit`, but raises Unavailable if any item is refused."""
        receipts = []
        for outcome in self.commit(batch):
            if isinstance(outcome, Unstorable):
                raise outcome
            receipts.append(outcome)
        return receipts

    def commit(self, batch: Sequence[AppendItem], more: More = nothing_more) -> list[AppendOutcome]:
        """Commits the batch, and what `begin` adds to it, and returns each item's outcome, in order.

        Raises Unavailable if the database could not commit. An item that cannot be stored or folded never fails the
        others: the batch is then committed item by item. An entry that fails alone is recorded raw, as `undecodable`;
        one that the database refuses in every form is Unstorable.
        """
        return self.finish(self.begin(batch, more))

    def begin(self, batch: Sequence[AppendItem], more: More = nothing_more) -> Sent:
        """Submits a batch after those submitted before.

        On PostgreSQL, if the cache has everything (nearly always), it is sent and its outcome comes later. Otherwise it
        is decided at once. If that has to wait for another process to release the append lock, `more` is called once,
        and its items become part of the batch.
        """
        sent = Sent(batch)
        if not self._send(sent):
            self._decide(sent, more)
        return sent

    def finish(self, sent: Sent) -> list[AppendOutcome]:
        """Waits for a batch's outcomes; see `commit`."""
        while not sent.decided:
            self._receive()
        if sent.error is not None:
            try:
                raise sent.error
            finally:
                sent.error = None  # breaks a reference cycle that would hold a broken connection
        return sent.outcomes

    @property
    def socket(self) -> int | None:
        """Becomes readable when the oldest batch's outcome arrives, unless it is `answered`; None if nothing is
        pending.
        """
        return self._ahead.socket if self._ahead is not None and self._under_way else None

    @property
    def answered(self) -> bool:
        """Whether the oldest pending batch's outcome is available without waiting."""
        return self._ahead is None or not self._under_way or self._ahead.answered

    def _send(self, sent: Sent) -> bool:
        """Sends a batch before the previous one is acknowledged; False if that is not possible."""
        if not (self._ahead and self._alone and self._head.leaf) or not self._may_go_ahead(sent.batch):
            return False
        try:
            head = self._send_rows(sent, self._ahead, self._head.leaf)
        except Exception as error:  # noqa: BLE001 - it is told by whoever tries again
            if is_from_driver(error):
                self._lose()
            head = None
        if head is None:
            self._projector.cache.forget_streams(sent.streams)
            return False
        self._head = head
        self._under_way.append(sent)
        return True

    def _may_go_ahead(self, batch: Sequence[AppendItem]) -> bool:
        """Whether nothing in the batch needs the append lock: no probe, and no rejection of a source that is due for
        pruning.
        """
        rejected = Counter[str]()
        for item in batch:
            if isinstance(item, Rejection):
                rejected[item.source] += 1 + len(item.body) // LARGE
        self._unpruned += rejected
        due = [source for source in rejected if self._unpruned[source] > PRUNED_AFTER]
        for source in due:
            del self._unpruned[source]
        return not due and not any(isinstance(item, Probe) for item in batch)

    def _send_rows(self, sent: Sent, ahead: Ahead, leaf: bytes) -> Head | None:
        """Builds and sends the batch's rows; returns the head after them. None if that needs the append lock."""
        entries = [item for item in sent.batch if isinstance(item, Entry)]
        seals = [entry.sealed or seal(self._ids, entry) for entry in entries]
        turn = Batch(self._head.position, self._head.recorded_at, clock=self._clock)
        turn.classify(entries, seals, NOTHING_KNOWN, self._stream)
        turn.reject([item for item in sent.batch if isinstance(item, Rejection)])
        rows = (
            self._projector.project_optimistically(self._reading, turn.new) if len(turn.new) == len(entries) else None
        )
        if rows is None:
            return None
        sent.before, receipts = self._head, iter(turn.receipts)
        sent.outcomes = [next(receipts) if isinstance(item, Entry) else REJECTED for item in sent.batch]
        sent.streams = [row[:2] for row in rows[PROJECTIONS]]
        for into, some in new_rows(turn).items():
            rows[into] = some
        rows[DELIVERIES] = turn.delivery_rows(1)
        ahead.send(self._projector.cache.epoch, leaf, rows)
        return Head(turn.position, turn.recorded_at, rows[EVENTS][-1][-1] if entries else leaf)

    def _receive(self) -> None:
        """Decides the oldest pending batch and, if it was not committed, those that build on it."""
        committed = False
        try:
            if self._ahead is not None:
                committed = self._ahead.receive()
                if not committed:
                    for _ in range(len(self._under_way) - 1):
                        self._ahead.receive()
        except Exception:  # noqa: BLE001 - the connection is gone: whether they are committed is found by their keys
            self._lose()
            return
        if committed:
            sent = self._under_way.popleft()
            sent.decided = True
            self._health.worked(sent.batch)
        else:
            self._turn_back()

    def _turn_back(self) -> None:
        """Discards what was built on a log that has changed, and decides those batches again under the lock."""
        self._alone = False
        self._head = self._under_way[0].before
        for sent in self._under_way:
            self._projector.cache.forget_streams(sent.streams)
        self._decide_all()

    def _lose(self) -> None:
        """Gives up the connection. The outcomes of pending batches are unknown, so they are decided again by their
        keys.
        """
        self._abandon()
        self._decide_all()

    def _decide_all(self) -> None:
        again, self._under_way = self._under_way, deque()
        for sent in again:
            self._decide(sent)

    def _decide(self, sent: Sent, more: More = nothing_more) -> None:
        self._settle()
        try:
            sent.outcomes = self._append(sent.batch, more)
        except Exception as error:  # noqa: BLE001 - `finish` raises it
            sent.error = error
        sent.decided = True

    def _settle(self) -> None:
        """Waits until no batch is pending."""
        while self._under_way:
            self._receive()
        if self._ahead is not None:
            try:
                self._ahead.rest()
            except Exception:  # noqa: BLE001 - the connection is of no use: there will be another one
                self._abandon()

    def append_with(self, entry: Entry, act: Callable[[Any, int], T]) -> tuple[int, T]:
        """Appends an entry and runs `act(cursor, position)` in one transaction; returns the position and `act`'s
        result.

        Raises Unavailable, or what `act` raises. Nothing is committed then.
        """

        def write(cursor: Any) -> tuple[tuple[int, T], Head]:
            receipts, head = self._write(cursor, [entry])
            position = receipts[0].position
            return (position, act(cursor, position)), head

        self._settle()
        try:
            return self._transact(write)
        except Exception as error:
            if is_for_now(error):
                raise Unavailable(cause_of(error)) from error
            raise

    def _reading(self, streams: Iterable[Row]) -> Any | None:
        """A cursor that sees everything appended to these streams, without waiting; None if a pending batch touches
        them.
        """
        if not {stream for sent in self._under_way for stream in sent.streams}.isdisjoint(streams):
            return None
        if self._beside is None:
            self._beside = self._engine.raw_connection()
            self._dialect.settle(self._beside, ())
            self._beside.driver_connection.autocommit = True
        return self._beside.cursor()

    def _settle_in(self, connection: Any) -> None:
        super()._settle_in(connection)
        self._ahead = self._dialect.ahead(connection, _GUARDED)

    def _abandon(self) -> None:
        self._ahead = None
        self._close_beside()
        super()._abandon()

    def _close_beside(self) -> None:
        beside, self._beside = self._beside, None
        if beside is not None:
            beside.invalidate()
