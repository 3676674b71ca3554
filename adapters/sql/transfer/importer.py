"""Imports another log's export, a batch in one transaction, under the append lock.

If this log equals the beginning of the exported one, event for event, the next events are imported unchanged: with
position, clocks, salt and leaf. If it has nothing of the exported log, or appending is requested, they are imported as
new events with their origin. If it began like the exported log and then diverged, nothing is imported, because appends
cannot be undone.
"""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.delivery_numbers import LAST_DELIVERY
from adapters.sql.database.errors import cause_of, is_for_now
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.joins import WITH_PAYLOAD
from adapters.sql.dialects.dialect import Insert, Lookup, Row, Writes
from adapters.sql.log.kept_deliveries import KEPT_DELIVERIES
from adapters.sql.log.own_events import OWN
from adapters.sql.log.writer import EVENTS, BatchWriter, Head
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.projections.projection import Code
from adapters.sql.transfer.import_items import (
    ErasedRemainder,
    ImportedDelivery,
    ImportedEvent,
    ImportOutcome,
    LastPosition,
    Unimportable,
)
from adapters.sql.transfer.import_record import hold
from adapters.sql.transfer.placement import Placement, placeholder
from core.event import Instant
from core.header_codec import pack
from core.proofs.leaf import Columns

MOST_LEFT_OUT = 10_000
"""The most consecutive positions that are filled with placeholders. If more are missing, the export is a selection."""

_PAYLOADS = Insert(tables.payloads)
_DELIVERIES = Insert(tables.deliveries)
_DUPLICATES = Insert(
    tables.duplicates,
    " ON CONFLICT (source, position) DO UPDATE SET times = excluded.times, head = excluded.head, "
    "recorded_at = excluded.recorded_at WHERE excluded.times > duplicates.times",
)
_CONFLICTS = Insert(
    tables.conflicts,
    " ON CONFLICT (source, position) DO UPDATE SET times = excluded.times, head = excluded.head, "
    "recorded_at = excluded.recorded_at, first_head = excluded.first_head, "
    "first_recorded_at = excluded.first_recorded_at WHERE excluded.times > conflicts.times",
)
_STREAMS = Insert(tables.streams, " ON CONFLICT DO NOTHING")
_NAMELESS = Insert.upsert(tables.streams)
_RETRACTIONS = Insert(tables.retractions)
_LEFT = Insert(tables.erased, " ON CONFLICT DO NOTHING")
_LEAVES = Lookup("t.position, t.leaf", tables.events, ("position",))
_NUMBERED = Lookup("t.source, t.delivery, t.verdict, t.received_at", tables.deliveries, ("source", "delivery"))
_SAME_DELIVERY = (
    "SELECT body FROM deliveries WHERE source = ? AND position = ? AND verdict = ? AND received_at = ? AND size = ?"
)

_OLDEST = (
    "SELECT delivery FROM deliveries WHERE source = ? AND verdict = 'duplicate' "
    f"ORDER BY delivery DESC LIMIT 1 OFFSET {KEPT_DELIVERIES - 1}"
)
_PRUNED = (
    "SELECT 1 FROM conflicts WHERE source = ? AND position = ? AND NOT EXISTS "
    "(SELECT 1 FROM deliveries WHERE source = ? AND verdict = 'conflict' AND delivery < ?)"
)
_WHOLE = (
    f"SELECT 1 FROM events e{{}} {WITH_PAYLOAD} WHERE e.source = ? "
    "AND e.opened = ? AND e.stream = ? AND e.position > 0 AND e.position < ? AND p.body IS NOT NULL LIMIT 1"
)
"""The condition on the position's lower end is always true: see `adapters.sql.projections.stored_events`."""

ImportItem = ImportedEvent | ImportedDelivery | ErasedRemainder | LastPosition


class Importer(BatchWriter):
    """The writer of an import. `whole`: the export covers a whole log, so positions can be kept."""

    def __init__(self, engine: Engine, code: Code, clock: Callable[[], Instant], *, whole: bool) -> None:
        super().__init__(engine, code, clock)
        self._invalidator = Invalidator(self._dialect, code)
        self._same = whole
        self._alike = False

    def take(self, batch: Sequence[ImportItem]) -> ImportOutcome:
        """Commits what is not here yet. Raises Unimportable, or Unavailable if the database could not commit."""
        try:
            turn = self._transact(lambda cursor: self._take(cursor, batch))
        except Exception as error:
            if is_for_now(error):
                raise Unavailable(cause_of(error)) from error
            raise
        self._same, self._alike = turn.same, turn.alike
        return turn.outcome

    def _take(self, cursor: Any, batch: Sequence[ImportItem]) -> tuple["ImportBatch", Head]:
        head = self._look(cursor)
        turn = ImportBatch(self, cursor, head, same=self._same, alike=self._alike)
        turn.look(batch)
        for item in batch:
            match item:
                case ImportedEvent():
                    turn.event(item)
                case ImportedDelivery():
                    turn.delivery(item)
                case ErasedRemainder():
                    turn.left(item)
                case LastPosition():
                    turn.reach(item.position)
        self._record(cursor, turn)
        if turn.outcome.kept or turn.outcome.appended:
            hold(cursor, self._dialect, turn.outcome)
        return turn, Head(turn.position)

    def _record(self, cursor: Any, turn: "ImportBatch") -> None:
        whole = [place.new for place in turn.places if place.taken.folded]
        touched = self._projector.touch(cursor, whole, turn.conflicts)
        writes, rows = Writes(self._dialect, cursor), [place.rows() for place in turn.places]
        writes.add(EVENTS, [event for event, _ in rows])
        writes.add(_PAYLOADS, [payload for _, payload in rows])
        writes.add(_DELIVERIES, turn.deliveries)
        writes.add(_DUPLICATES, list(turn.counted.values()))
        writes.add(_CONFLICTS, list(turn.counted_conflicts.values()))
        self._projector.project(writes, touched, turn.position)
        writes.flush()
        for source, verdict in sorted(turn.counted_there):
            self._kept.prune(cursor, source, verdict, counted=True)
        self._take_back(cursor, turn)

    def _take_back(self, cursor: Any, turn: "ImportBatch") -> None:
        """Takes over retractions and erasures, and refolds their streams onto the remainders."""
        retracted = [place.taken for place in turn.places if place.taken.retracted]
        rows = [
            (one.columns.source, one.columns.stream, one.kind, one.name, one.columns.opened)
            for one in retracted
            if one.columns.stream
        ]
        erased = [(one.source, one.stream, one.kind, None, one.opened) for one in turn.lefts]
        for into, values in (
            (_RETRACTIONS, [(one.columns.source, one.columns.position, one.retracted) for one in retracted]),
            (_LEFT, [(one.source, one.stream, one.position, one.measured, one.snapshot) for one in turn.lefts]),
            (_STREAMS, rows),
            (_NAMELESS, erased),
        ):
            if values:
                self._dialect.insert(cursor, into, values)
        if rows or erased:
            streams = self._invalidator.streams(cursor, [row[:2] for row in rows + erased])
            self._invalidator.refold(cursor, streams, turn.position)

    def now(self) -> Instant:
        """The clock's time."""
        return self._clock()

    def holders(self, keys: Sequence[Row]) -> dict[Row, int]:
        """The position that holds each (source, key)."""
        return dict(self._held(list(dict.fromkeys(keys))))

    def body(self, cursor: Any, source: str, position: int) -> bytes | None:
        """An event's body."""
        return self._bodies(cursor, [(source, position)]).get((source, position))

    def leaves(self, cursor: Any, positions: Sequence[int]) -> dict[int, bytes]:
        """The leaf at each position."""
        keys = [(position,) for position in positions]
        return {at: bytes(found) for at, found in self._dialect.lookup(cursor, _LEAVES, keys)} if keys else {}

    def numbered(self, cursor: Any, keys: Sequence[Row]) -> dict[Row, Row]:
        """Verdict and time of each (source, delivery)."""
        return {(row[0], row[1]): row[2:] for row in self._dialect.lookup(cursor, _NUMBERED, keys)} if keys else {}

    def same_deliveries(self, cursor: Any, wanted: Row) -> list[bytes | None]:
        """The bodies of the deliveries that (source, position, verdict, received_at, size) names."""
        rows = self._dialect.run(cursor, _SAME_DELIVERY, *wanted).fetchall()
        return [None if body is None else bytes(body) for (body,) in rows]

    def oldest_duplicate(self, cursor: Any, source: str) -> int:
        """The number of the oldest of the source's newest KEPT_DELIVERIES duplicates; 0 if there are fewer."""
        return next((int(number) for (number,) in self._dialect.run(cursor, _OLDEST, source).fetchall()), 0)

    def has_pruned(self, cursor: Any, event: Row, delivery: int) -> bool:
        """Whether a conflict of an event (source, position) is only counted by now."""
        return self._dialect.run(cursor, _PRUNED, *event, event[0], delivery).fetchone() is not None

    def is_whole(self, cursor: Any, left: ErasedRemainder) -> bool:
        """Whether bodies of a stream that was erased there still exist here."""
        key = (left.source, left.opened, left.stream, left.position)
        asked = _WHOLE.format(self._dialect.using("ix_events_source_opened_position"))
        return self._dialect.run(cursor, asked, *key).fetchone() is not None

    def left_out_key(self, position: int) -> bytes:
        """The key of a placeholder."""
        return self._ids.key(OWN, b"left out:%d" % position)


class ImportBatch:
    """Classifies a batch of an import under the append lock."""

    def __init__(self, log: Importer, cursor: Any, head: Head, *, same: bool, alike: bool) -> None:
        self._log = log
        self._cursor = cursor
        self._head = head.position
        self.position = head.position
        self.recorded_at = head.recorded_at
        self.same = same
        self.alike = alike or (same and head.position == 0)
        self.places: list[Placement] = []
        self.conflicts: list[tuple[str, int]] = []
        self.deliveries: list[Row] = []
        self.lefts: list[ErasedRemainder] = []
        self.counted: dict[Row, Row] = {}
        self.counted_conflicts: dict[Row, Row] = {}
        self.counted_there: set[tuple[str, str]] = set()
        self.outcome = ImportOutcome()
        self._seen: set[Row] = set()
        cursor.execute(LAST_DELIVERY)
        self._number = cursor.fetchone()[0]

    def look(self, batch: Sequence[ImportItem]) -> None:
        """Loads everything that the batch is compared with."""
        log, cursor = self._log, self._cursor
        events = [item for item in batch if isinstance(item, ImportedEvent)]
        others = [item for item in batch if isinstance(item, ImportedDelivery)]
        keys = [(one.columns.source, one.key) for one in events]
        self._holders = log.holders(keys + [(one.source, one.key) for one in others if one.key])
        positions = [one.columns.position for one in events if one.columns.position <= self._head]
        self._leaves = log.leaves(cursor, positions) if self.same else {}
        self._numbered = log.numbered(cursor, [(one.source, one.delivery) for one in others]) if self.same else {}

    def event(self, taken: ImportedEvent) -> None:
        """Gives an event a position unless it is here already."""
        columns = taken.columns
        if self.same and columns.position <= self._head:
            if self._leaves.get(columns.position) == taken.leaf:
                self.alike = True
                self.outcome.known += 1
                self._count(taken, columns.position)
                return
            self._differs(taken.line, f"event {columns.position}")
        at = self._holders.get((columns.source, taken.key))
        if at is not None:
            self._held(taken, at)
            return
        if self.same and not (columns.recorded_at >= self.recorded_at and self._fill(columns.position - 1, columns)):
            self._differs(taken.line, f"event {columns.position}")
        if self.same or taken.folded:
            self._place(taken, kept=self.same)
        elif taken.erased is not None:
            self.outcome.erased += 1
        else:
            self.outcome.retracted += 1

    def _differs(self, line: int, what: str) -> None:
        """Gives up keeping positions. Raises Unimportable if the two logs began alike."""
        if self.alike:
            why = f"this log began like the exported one and has something else where its {what} belongs"
            mend = "import into a copy that did not go on by itself, or give the rest new positions with --append"
            raise Unimportable(
                line, f"{why} (its own deliveries, or what was recorded of a start or an export here): {mend}"
            )
        self.same = False

    def left(self, found: ErasedRemainder) -> None:
        """Takes over the remainder of an erased stream. A stream that is not erased here stays as it is."""
        if self.same and self._log.is_whole(self._cursor, found):
            self.outcome.whole += 1
        elif self.same and self._fill(found.position, None):
            self.lefts.append(found)

    def reach(self, position: int) -> None:
        """Fills the positions up to this one, so that no later event takes a position that the export mentions."""
        if self.same:
            self._fill(position, None)

    def delivery(self, found: ImportedDelivery) -> None:
        """Records a delivery that made no event unless it is recorded already."""
        if self.same:
            row = self._numbered.get((found.source, found.delivery))
            if row == (found.verdict, found.received_at) or self._pruned(found):
                self.outcome.known_deliveries += 1
                return
            if row is not None:
                self._differs(found.line, f"delivery {found.delivery}")
            elif found.delivery > self._number and self._fill(found.head, None):
                self._keep_delivery(found)
                return
        at = self._holders.get((found.source, found.key)) if found.key else None
        if at is None:
            self.outcome.strangers += 1
        else:
            self._append_delivery(found, at)

    def _pruned(self, found: ImportedDelivery) -> bool:
        """Whether the delivery was recorded here until newer ones replaced it."""
        if found.verdict == "duplicate":
            return found.delivery < self._log.oldest_duplicate(self._cursor, found.source)
        if found.verdict == "conflict":
            at = self._holders.get((found.source, found.key)) if found.key else None
            return at is not None and self._log.has_pruned(self._cursor, (found.source, at), found.delivery)
        return found.verdict == "rejected" and found.delivery <= self._number

    def _place(self, taken: ImportedEvent, *, kept: bool) -> None:
        self.position += 1
        self.recorded_at = taken.columns.recorded_at if kept else max(self.recorded_at, self._log.now())
        self._holders[taken.columns.source, taken.key] = self.position
        self.places.append(Placement(taken, self.position, self.recorded_at, kept=kept))
        self._count(taken, self.position)
        if kept:
            self.outcome.kept += 1
        else:
            self.outcome.appended += 1

    def _count(self, taken: ImportedEvent, at: int) -> None:
        """Takes over the counts of an event's repetitions. If this log has its own count, the greater one stays."""
        if taken.duplicates is not None:
            times, *last = taken.duplicates if self.same else (taken.duplicates[0], self.position, self.recorded_at)
            self.counted[taken.columns.source, at] = (taken.columns.source, at, times, *last)
        if taken.conflicts is not None:
            here = (self.position, self.recorded_at)
            times, *known = taken.conflicts if self.same else (taken.conflicts[0], *here, *here)
            self.counted_conflicts[taken.columns.source, at] = (taken.columns.source, at, times, *known)
            self.conflicts.append((taken.columns.source, at))

    def _fill(self, until: int, following: Columns | None) -> bool:
        """Fills positions that the export left out with placeholders; False if positions cannot be kept."""
        missing = until - self.position
        if missing > MOST_LEFT_OUT or (missing < 0 and following is not None):
            return False
        at = self.recorded_at or (following.recorded_at if following else self._log.now())
        for position in range(self.position + 1, until + 1):
            taken = placeholder(position, at, self._log.left_out_key(position))
            self.places.append(Placement(taken, position, at, kept=True))
            self.position, self.recorded_at = position, at
            self.outcome.placeholders += 1
        return True

    def _held(self, taken: ImportedEvent, at: int) -> None:
        columns, body = taken.columns, taken.entry.body
        self._count(taken, at)
        held = self._body_at(columns.source, at)
        if held == body or held is None or taken.erased is not None or columns.source == OWN:
            self.outcome.known += 1
            return
        self.outcome.conflicts += 1
        found = ImportedDelivery(
            *(columns.source, 0, "conflict", 0, taken.key, columns.received_at, 0, 200, None, None),
            *(len(body), taken.headers, body),
            line=taken.line,
        )
        self._append_delivery(found, at)

    def _body_at(self, source: str, at: int) -> bytes | None:
        fresh = next((place for place in self.places if place.new.position == at), None)
        return fresh.taken.entry.body if fresh else self._log.body(self._cursor, source, at)

    def _keep_delivery(self, found: ImportedDelivery) -> None:
        at = self._holders.get((found.source, found.key)) if found.key else None
        if found.key and at is None:
            self.outcome.strangers += 1
            return
        if found.verdict in {"duplicate", "conflict"}:
            self.counted_there.add((found.source, found.verdict))
        self._add(found, found.delivery, found.head, at, found.recorded_at)

    def _append_delivery(self, found: ImportedDelivery, at: int) -> None:
        """Appends a delivery unless one with the same time and body is recorded."""
        wanted = (found.source, at, found.verdict, found.received_at, found.size)
        digest = (*wanted, hashlib.sha256(found.body or b"").digest())
        if digest in self._seen or found.body in self._log.same_deliveries(self._cursor, wanted):
            self.outcome.known_deliveries += 1
            return
        self._seen.add(digest)
        recorded_at = max(self.recorded_at, self._log.now())
        self._add(found, self._number + 1, self.position, at, recorded_at)

    def _add(self, found: ImportedDelivery, number: int, head: int, at: int | None, recorded_at: Instant) -> None:
        if found.verdict == "conflict" and at is not None:
            self.conflicts.append((found.source, at))
        self._number = number
        self.outcome.deliveries += 1
        self.deliveries.append(
            (
                *(found.source, number, found.verdict, head, at, found.received_at, recorded_at),
                *(found.status, found.reason, found.hint, found.size),
                *(None if found.headers is None else pack(found.headers), found.body),
            )
        )
