"""Appends deliveries to the log: verdicts, positions, payloads and projections in one transaction for a whole batch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.errors import cause_of, is_for_now
from adapters.sql.database.exceptions import Unavailable, Unstorable
from adapters.sql.dialects.dialect import Insert, Lookup, Row, Writes, dialect_of
from adapters.sql.log.batch import Batch, Known
from adapters.sql.log.entries import Entry, Probe, Receipt, Rejection, Sealed
from adapters.sql.log.kept_deliveries import DELIVERIES, KeptDeliveries
from adapters.sql.log.projector import HOT, Projector
from adapters.sql.log.seal import seal
from adapters.sql.log.write_probe import WriteHealth
from adapters.sql.projections.projection import Code
from core.event import Instant, Reading, Unreadable

AppendItem = Entry | Rejection | Probe
AppendOutcome = Receipt | Unstorable
T = TypeVar("T")

More = Callable[[], Sequence[AppendItem]]
"""Returns the items that have arrived while a batch waited for the append lock, as many as still fit in it."""

_logger = structlog.get_logger()

EVENTS = Insert(tables.events)
PAYLOADS = Insert(tables.payloads, without=("origin", "commitment", "erased"))
RELAYS = Insert(tables.relays, without=("holder", "attempts", "first_at", "last_at", "status", "failure", "dead_at"))
USUAL = (EVENTS, PAYLOADS, RELAYS, *HOT, DELIVERIES)
"""The writes of batches, which are prepared on each connection."""

_HOLDERS = Lookup("t.source, t.key, t.position", tables.events, ("source", "key"), unique=True)
_BODIES = Lookup("t.source, t.position, t.body", tables.payloads, ("source", "position"))
_RECEIVED = Lookup("t.source, t.position, t.received_at", tables.events, ("source", "position"))
_REPEATED = Lookup(
    "t.source, t.position, t.received_at",
    tables.deliveries,
    ("source", "position"),
    index="ix_deliveries_source_position",
)
_HEAD = (
    "SELECT s.value, e.position, e.recorded_at, e.leaf FROM service s LEFT JOIN "
    "(SELECT position, recorded_at, leaf FROM events ORDER BY position DESC LIMIT 1) e ON 1 = 1 WHERE s.name = 'epoch'"
)
_WRITE_NOTHING_NEW = "UPDATE service SET value = value WHERE name = 'epoch'"
REJECTED = Receipt("rejected", 0)


def nothing_more() -> Sequence[AppendItem]:
    """Nothing has arrived."""
    return ()


def new_rows(turn: Batch) -> dict[Insert, list[Row]]:
    """The rows of a batch's new events in each table that has one row per event. Every append path uses it."""
    events, payloads = turn.event_rows()
    return {EVENTS: events, PAYLOADS: payloads, RELAYS: turn.relay_rows()}


class Head(msgspec.Struct, frozen=True, gc=False):
    """The log's last event. `leaf` is None if unknown. An empty log has the defaults."""

    position: int = 0
    recorded_at: Instant = 0
    leaf: bytes | None = None


class BatchWriter:
    """Appends batches one after the other, each in a transaction that holds the append lock."""

    def __init__(self, engine: Engine, code: Code, clock: Callable[[], Instant]) -> None:
        self._engine = engine
        self._ids = code.ids
        self._clock = clock
        self._dialect = dialect_of(engine)
        self._projector = Projector(self._dialect, code)
        self._kept = KeptDeliveries(self._dialect)
        self._connection: Any = None
        self._head = Head()
        self._alone = False
        self._health = WriteHealth(clock)

    def close(self) -> None:
        """Closes the connection. It is configured for appends and cannot go back to the pool."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None

    def _append(self, batch: list[AppendItem], more: More = nothing_more) -> list[AppendOutcome]:
        try:
            outcomes: list[AppendOutcome] = [*self._transact(lambda cursor: self._write(cursor, batch, more))]
        except Exception as error:
            if is_for_now(error):
                self._health.failed(batch, cause_of(error))
                raise Unavailable(cause_of(error)) from error
            if len(batch) > 1:
                _logger.warning("batch_split", items=len(batch), error=cause_of(error))
                return [self._append([item])[0] for item in batch]
            return [self._append_raw(batch[0], error)]
        self._health.worked(batch)
        return outcomes

    def _append_raw(self, item: AppendItem, error: Exception) -> AppendOutcome:
        source = None if isinstance(item, Probe) else item.source
        _logger.error("refused", source=source, kind=type(item).__name__, error=cause_of(error))
        if not isinstance(item, Entry) or isinstance(item.reading, Unreadable):
            return Unstorable(cause_of(error))
        refused = Unreadable(f"what was read could not be recorded: {type(error).__name__}")
        outcome = self._append([msgspec.structs.replace(item, reading=refused)])[0]
        return msgspec.structs.replace(outcome, raw=True) if isinstance(outcome, Receipt) else outcome

    def _transact(self, write: Callable[[Any], tuple[T, Head]]) -> T:
        """Runs `write` under the append lock. `write` returns its result and the new head."""
        try:
            if self._connection is None:
                self._connection = self._engine.raw_connection()
                self._settle_in(self._connection)
            with self._dialect.together(self._connection) as cursor:
                self._dialect.begin(cursor)
                outcome, head = write(cursor)
                self._connection.commit()
        except BaseException:
            with suppress(Exception):  # a broken connection cannot roll back; the database did
                self._connection.rollback()
            self._abandon()
            raise
        self._head = head
        return outcome

    def _settle_in(self, connection: Any) -> None:
        """Configures a new connection. If that fails, the connection is dropped like any other."""
        self._dialect.settle(connection, USUAL)

    def _abandon(self) -> None:
        """Drops the cache, which may be ahead of the log, and the connection, which may be broken.

        It sends no rollback, since the server may not answer: closing the connection ends the transaction.
        """
        self._projector.cache.forget()
        self._alone = False
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()

    def _write(self, cursor: Any, batch: list[AppendItem], more: More = nothing_more) -> tuple[list[Receipt], Head]:
        """Appends the batch under the append lock.

        If others append, too, the lock was waited for: the batch is extended by what has arrived meanwhile.
        """
        entries, seals = self._sealed(batch)
        held = self._held(_keys(entries, seals))
        head = self._look(cursor)
        if not self._alone and (later := more()):
            batch += later
            others, their_seals = self._sealed(later)
            held = chain(held, self._held(_keys(others, their_seals)))
            entries, seals = entries + others, seals + their_seals
        turn = Batch(head.position, head.recorded_at, clock=self._clock)
        bodies, arrivals = partial(self._bodies, cursor), partial(self._arrivals, cursor)
        known = Known(dict(held), bodies, partial(self._kept.others, cursor), arrivals)
        turn.classify(entries, seals, known, self._stream)
        turn.reject([item for item in batch if isinstance(item, Rejection)])
        touched = self._projector.touch(cursor, turn.new, turn.conflicts)
        writes = Writes(self._dialect, cursor)
        head = self._insert(writes, turn, head)
        if any(isinstance(item, Probe) for item in batch):
            cursor.execute(_WRITE_NOTHING_NEW)
        self._projector.project(writes, touched, turn.position)
        writes.flush()
        verdicts = iter(turn.receipts)
        return [next(verdicts) if isinstance(item, Entry) else self._outside(item) for item in batch], head

    def _outside(self, item: Rejection | Probe) -> Receipt:
        return self._health.receipt() if isinstance(item, Probe) else REJECTED

    def _look(self, cursor: Any) -> Head:
        """The log's last event, read under the lock. Evicts from the cache what other writers changed."""
        cursor.execute(_HEAD)
        epoch, position, recorded_at, leaf = cursor.fetchone()
        head = Head(position or 0, recorded_at or 0, bytes(leaf or b""))
        self._alone = epoch == self._projector.cache.epoch and head.position == self._head.position
        if epoch != self._projector.cache.epoch:
            self._projector.cache.renew(cursor, self._clock())
        elif head.position != self._head.position:
            self._projector.cache.forget_changed(cursor, self._head.position)
        return head

    def _sealed(self, items: Sequence[AppendItem]) -> tuple[list[Entry], list[Sealed]]:
        """The entries among the items, and the seal of each."""
        entries = [item for item in items if isinstance(item, Entry)]
        return entries, [entry.sealed or seal(self._ids, entry) for entry in entries]

    def _held(self, keys: Sequence[Row]) -> Iterator[tuple[Row, int]]:
        """The position that holds each (source, key). The query is sent at once; iterating waits for its rows."""
        rows = self._dialect.lookup(self._connection.cursor(), _HOLDERS, keys) if keys else ()
        return (((source, key), at) for source, key, at in rows)

    def _bodies(self, cursor: Any, at: Sequence[Row]) -> dict[Row, bytes | None]:
        return {(source, position): body for source, position, body in self._dialect.lookup(cursor, _BODIES, at)}

    def _arrivals(self, cursor: Any, at: Sequence[Row]) -> set[Row]:
        """(source, position, arrival) of these events and of their recorded repetitions."""
        return {tuple(row) for look in (_RECEIVED, _REPEATED) for row in self._dialect.lookup(cursor, look, at)}

    def _stream(self, source: str, reading: Reading | Unreadable) -> str | None:
        if isinstance(reading, Unreadable) or not reading.provider_id:
            return None
        return self._ids.of(reading.kind, source, reading.provider_id)

    def _insert(self, writes: Writes, turn: Batch, head: Head) -> Head:
        """Adds the batch's rows to `writes` and returns the new head."""
        rows = new_rows(turn)
        for into, some in rows.items():
            writes.add(into, some)
        self._kept.add(writes.cursor, turn)
        return Head(turn.position, turn.recorded_at, rows[EVENTS][-1][-1]) if rows[EVENTS] else head


def _keys(entries: Sequence[Entry], seals: Sequence[Sealed]) -> list[Row]:
    """(source, key) of each entry."""
    return [(entry.source, sealed.key) for entry, sealed in zip(entries, seals, strict=True)]
