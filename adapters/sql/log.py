"""Appends deliveries to the log: verdicts, positions, payloads and projections in one transaction for a whole batch."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any, ClassVar, TypeVar

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql import tables
from adapters.sql.ability import Ability
from adapters.sql.dialects import Insert, Lookup, Row, Writes, dialect_of
from adapters.sql.entries import Entry, Probe, Receipt, Rejection, Sealed, Unavailable
from adapters.sql.errors import cause_of, is_for_now
from adapters.sql.project import HOT, Projector
from adapters.sql.seal import seal
from adapters.sql.touch import New
from core.event import Instant, Reading, Unreadable
from core.headers import to_lines
from core.ids import Ids
from core.leaf import Columns, leaf
from core.packed import pack

Item = Entry | Rejection | Probe
T = TypeVar("T")

_logger = structlog.get_logger()

KEPT_REJECTIONS = 1_000
"""Rejections on record per source: the newest ones."""

EVENTS = Insert(tables.events)
_PAYLOADS = Insert(tables.payloads, without=("origin", "commitment", "erased"))
_DELIVERIES = Insert(tables.deliveries)
_HOLDERS = Lookup("t.source, t.key, t.position", tables.events, ("source", "key"), unique=True)
_BODIES = Lookup("t.source, t.position, t.body", tables.payloads, ("source", "position"))
_HEAD = (
    "SELECT s.value, e.position, e.recorded_at FROM service s LEFT JOIN "
    "(SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1) e ON 1 = 1 WHERE s.name = 'epoch'"
)
_WRITE_NOTHING_NEW = "UPDATE service SET value = value WHERE name = 'epoch'"
_REJECTED = Receipt("rejected", 0)
_LAST_DELIVERY = "SELECT max(delivery) FROM deliveries"
_PRUNE = (
    "DELETE FROM deliveries WHERE source = ? AND verdict = 'rejected' AND delivery <= ("
    "SELECT delivery FROM deliveries WHERE source = ? AND verdict = 'rejected' "
    f"ORDER BY delivery DESC LIMIT 1 OFFSET {KEPT_REJECTIONS})"
)


class Log:
    """The writer of one process. Not for several threads at once: `GroupCommit` stands in front.

    `hot` are the inserts of nearly every batch.
    """

    hot: ClassVar[tuple[Insert, ...]] = (EVENTS, _PAYLOADS, *HOT)

    def __init__(self, engine: Engine, ids: Ids, projector: Projector, clock: Callable[[], Instant]) -> None:
        self._engine = engine
        self._ids = ids
        self._projector = projector
        self._clock = clock
        self._dialect = dialect_of(engine)
        self._connection: Any = None
        self._last = 0
        self._ability = Ability(clock)

    def append(self, batch: Sequence[Item]) -> list[Receipt]:
        """Commits the batch and tells each one's verdict, in order.

        Raises Unavailable where the database could not commit. An entry that cannot be stored or folded never fails the
        others: the batch is then committed one by one, and what fails alone is recorded raw, as `undecodable`.
        """
        try:
            receipts = self._commit(batch)
        except Exception as error:
            if is_for_now(error):
                self._ability.failed(batch)
                raise Unavailable(cause_of(error)) from error
            if len(batch) > 1:
                return [receipt for item in batch for receipt in self.append([item])]
            return self._append_raw(batch[0], error)
        self._ability.worked(batch)
        return receipts

    def close(self) -> None:
        """Gives the connection up: settled for appends alone, it is nothing for others."""
        if self._connection is not None:
            self._connection.invalidate()
            self._connection = None

    def _append_raw(self, item: Item, error: Exception) -> list[Receipt]:
        if not isinstance(item, Entry) or isinstance(item.reading, Unreadable):
            raise Unavailable(cause_of(error)) from error
        _logger.error("entry_refused", source=item.source, error=cause_of(error))
        refused = Unreadable(f"what was read could not be recorded: {type(error).__name__}")
        return self.append([msgspec.structs.replace(item, reading=refused)])

    def append_with(self, entry: Entry, act: Callable[[Any, int], T]) -> tuple[int, T]:
        """Appends an entry and does what it tells of, `act` (cursor, position), in one transaction; position, outcome.

        Raises Unavailable, or what `act` raises: nothing is committed then.
        """

        def write(cursor: Any) -> tuple[tuple[int, T], int]:
            (receipt,), last = self._write(cursor, [entry])
            return (receipt.position, act(cursor, receipt.position)), last

        try:
            return self._transact(write)
        except Exception as error:
            if is_for_now(error):
                raise Unavailable(cause_of(error)) from error
            raise

    def _commit(self, batch: Sequence[Item]) -> list[Receipt]:
        return self._transact(lambda cursor: self._write(cursor, batch))

    def _transact(self, write: Callable[[Any], tuple[T, int]]) -> T:
        """Runs `write` as the only writer. It gives what comes of it, and the log's last position by then."""
        try:
            if self._connection is None:
                self._connection = self._connected()
            with self._dialect.together(self._connection):
                cursor = self._connection.cursor()
                self._dialect.begin(cursor)
                outcome, last = write(cursor)
                self._connection.commit()
        except BaseException:
            self._abandon()
            raise
        self._last = last
        return outcome

    def _connected(self) -> Any:
        connection = self._engine.raw_connection()
        self._dialect.settle(connection, self.hot)
        return connection

    def _abandon(self) -> None:
        """What the projector remembers may be ahead of the log now, and the connection may be broken: begin anew."""
        self._projector.forget()
        connection, self._connection = self._connection, None
        if connection is not None:
            with suppress(Exception):  # a connection that is gone cannot roll back; the database did
                connection.rollback()
            connection.invalidate()

    def _write(self, cursor: Any, batch: Sequence[Item]) -> tuple[list[Receipt], int]:
        entries = [item for item in batch if isinstance(item, Entry)]
        seals = [entry.sealed or seal(self._ids, entry) for entry in entries]
        keys = [(entry.source, sealed.key) for entry, sealed in zip(entries, seals, strict=True)]
        held = self._held(keys)
        turn = Turn(*self._head(cursor), clock=self._clock)
        turn.judge(entries, seals, dict(held), lambda at: self._bodies(cursor, at), self._stream)
        turn.reject([item for item in batch if isinstance(item, Rejection)])
        touched = self._projector.touch(cursor, turn.new, turn.conflicts)
        writes = Writes(self._dialect, cursor)
        self._insert(writes, turn)
        if any(isinstance(item, Probe) for item in batch):
            cursor.execute(_WRITE_NOTHING_NEW)
        self._projector.project(writes, touched, turn.position)
        writes.flush()
        verdicts = iter(turn.receipts)
        return [next(verdicts) if isinstance(item, Entry) else self._outside(item) for item in batch], turn.position

    def _outside(self, item: Rejection | Probe) -> Receipt:
        return self._ability.receipt() if isinstance(item, Probe) else _REJECTED

    def _head(self, cursor: Any) -> tuple[int, Instant]:
        cursor.execute(_HEAD)
        epoch, position, recorded_at = cursor.fetchone()
        if epoch != self._projector.epoch:
            self._projector.renew(cursor, self._clock())
        elif position is not None and position != self._last:
            self._projector.forget_changed(cursor, self._last)
        return position or 0, recorded_at or 0

    def _held(self, keys: Sequence[Row]) -> Iterator[tuple[Row, int]]:
        """Which position holds a (source, key). The question leaves at once; who reads the answer waits for it."""
        rows = self._dialect.lookup(self._connection.cursor(), _HOLDERS, keys) if keys else ()
        return (((source, key), at) for source, key, at in rows)

    def _bodies(self, cursor: Any, at: Sequence[Row]) -> dict[Row, bytes | None]:
        return {(source, position): body for source, position, body in self._dialect.lookup(cursor, _BODIES, at)}

    def _stream(self, source: str, reading: Reading | Unreadable) -> str | None:
        if isinstance(reading, Unreadable) or not reading.provider_id:
            return None
        return self._ids.of(reading.kind, source, reading.provider_id)

    def _insert(self, writes: Writes, turn: "Turn") -> None:
        rows = [_rows(*one, turn.recorded_at) for one in zip(turn.new, turn.seals, strict=True)]
        writes.add(EVENTS, [event for event, _ in rows])
        writes.add(_PAYLOADS, [payload for _, payload in rows])
        if turn.deliveries:
            self._insert_deliveries(writes.cursor, turn)

    def _insert_deliveries(self, cursor: Any, turn: "Turn") -> None:
        cursor.execute(_LAST_DELIVERY)
        first = (cursor.fetchone()[0] or 0) + 1
        self._dialect.insert(cursor, _DELIVERIES, turn.delivery_rows(first))
        for source in turn.rejected_sources:
            cursor.execute(_PRUNE.replace("?", self._dialect.mark), (source, source))


class Turn:
    """One writer's turn: what the batch turns out to be while nobody else can append."""

    def __init__(self, position: int, recorded_at: Instant, clock: Callable[[], Instant]) -> None:
        self.position = position
        self.recorded_at = max(recorded_at, clock())
        self.new: list[New] = []
        self.seals: list[Sealed] = []
        self.receipts: list[Receipt] = []
        self.conflicts: list[tuple[str, int]] = []
        self.deliveries: list[tuple[str, str, int | None, Row]] = []
        self.rejected_sources: set[str] = set()

    def judge(
        self,
        entries: Sequence[Entry],
        seals: Sequence[Sealed],
        holders: dict[Row, int],
        bodies_of: Callable[[Sequence[Row]], dict[Row, bytes | None]],
        stream_of: Callable[[str, Reading | Unreadable], str | None],
    ) -> None:
        """Gives each entry its verdict; the first of several with one key is the new one."""
        bodies = bodies_of([(source, at) for (source, _), at in holders.items()]) if holders else {}
        for entry, sealed in zip(entries, seals, strict=True):
            at = holders.get((entry.source, sealed.key))
            if at is None:
                self.position += 1
                holders[entry.source, sealed.key] = self.position
                bodies[entry.source, self.position] = entry.body
                self.new.append(New(self.position, entry, sealed.key, stream_of(entry.source, entry.reading)))
                self.seals.append(sealed)
                self.receipts.append(Receipt("new", self.position))
            else:
                self._seen_before(entry, sealed, at, bodies[entry.source, at])

    def _seen_before(self, entry: Entry, sealed: Sealed, at: int, body: bytes | None) -> None:
        """Where the first body was erased, nothing is left to differ from, and nothing is kept again."""
        verdict = "duplicate" if body is None or entry.body == body else "conflict"
        if verdict == "conflict":
            self.conflicts.append((entry.source, at))
        self.receipts.append(Receipt(verdict, at))
        kept = (sealed.headers, entry.body) if verdict == "conflict" else (None, None)
        row = (entry.received_at, self.recorded_at, 200, None, None, len(entry.body), *kept)
        self.deliveries.append((entry.source, verdict, at, row))

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Puts rejections on record."""
        for rejection in rejections:
            self.rejected_sources.add(rejection.source)
            self.deliveries.append((rejection.source, "rejected", None, _rejected(rejection, self.recorded_at)))

    def delivery_rows(self, first: int) -> list[Row]:
        """Rows of `deliveries`, numbered from `first`."""
        return [
            (source, number, verdict, self.position, at, *row)
            for number, (source, verdict, at, row) in enumerate(self.deliveries, first)
        ]


def _rejected(rejection: Rejection, recorded_at: Instant) -> Row:
    """The columns of `deliveries` from received_at on."""
    told = (rejection.status, rejection.reason, rejection.hint, rejection.size)
    return (rejection.received_at, recorded_at, *told, pack(to_lines(rejection.headers)), rejection.body)


def _rows(new: New, sealed: Sealed, recorded_at: Instant) -> tuple[Row, Row]:
    """The rows of `events` and `payloads`."""
    entry, reading = new.entry, new.entry.reading
    if isinstance(reading, Unreadable):
        read: tuple[str, str | None, int | None, Instant | None] = ("undecodable", None, None, None)
        unknown = None
    else:
        known = reading.known
        read = (
            "ok" if known else "unknown_type",
            reading.type if known else None,
            reading.sequence,
            reading.occurred_at,
        )
        unknown = None if known else reading.type
    clocks = (entry.received_at, recorded_at)
    key, covered = sealed.key.hex(), sealed.commitment.hex()
    columns = Columns(
        new.position, entry.source, new.stream, new.opened, *read, *clocks, key, entry.verified_by, covered
    )
    event = (entry.source, new.position, new.stream, new.opened, *read, *clocks, sealed.key, entry.verified_by)
    return (*event, leaf(columns)), (entry.source, new.position, unknown, sealed.headers, entry.body, sealed.salt)
