"""Classifies a batch (new, duplicate, conflict, rejected) under the append lock and builds its rows."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from adapters.sql.dialects.statements import Row
from adapters.sql.log.entries import Entry, Receipt, Rejection, Sealed
from adapters.sql.log.own_events import OWN
from adapters.sql.log.touched_streams import NewEvent
from core.event import Instant, Reading, Unreadable, word_of
from core.header_codec import pack
from core.headers import to_lines
from core.proofs.leaf import Columns, leaf

OTHERS = 10
"""The most conflicting bodies that are stored for one event, the first ones. Further ones are counted."""


class Known(NamedTuple):
    """What the log has: the position that holds each (source, key); and by (source, position) the event's body, the
    recorded bodies of conflicts with it, and when it and its repetitions arrived.
    """

    holders: dict[Row, int]
    bodies: Callable[[Sequence[Row]], dict[Row, bytes | None]]
    others: Callable[[Sequence[Row]], Iterable[tuple[Row, bytes | None]]]
    arrivals: Callable[[Sequence[Row]], set[Row]]


NOTHING_KNOWN = Known({}, lambda _: {}, lambda _: (), lambda _: set())


class Batch:
    """A batch under the append lock. `position` and `recorded_at` begin as the last event's and end as the batch's
    last.
    """

    def __init__(self, position: int, recorded_at: Instant, clock: Callable[[], Instant]) -> None:
        self.position = position
        self._now = clock()
        self.recorded_at = max(recorded_at, self._now)
        self.new: list[NewEvent] = []
        self.seals: list[Sealed] = []
        self.receipts: list[Receipt] = []
        self.conflicts: list[tuple[str, int]] = []
        self.deliveries: list[tuple[str, str, int | None, Row]] = []
        self.repeated: Counter[tuple[str, int]] = Counter()
        self._others: dict[Row, set[bytes | None]] = defaultdict(set)

    def classify(
        self,
        entries: Sequence[Entry],
        seals: Sequence[Sealed],
        known: Known,
        stream_of: Callable[[str, Reading | Unreadable], str | None],
    ) -> None:
        """Gives each entry its verdict. Of several entries with the same key, the first is new."""
        holders, keys = dict(known.holders), [sealed.key for sealed in seals]
        bodies = known.bodies([(source, at) for (source, _), at in holders.items()]) if holders else {}
        self._look_up_others(entries, keys, known, bodies)
        arrived = _arrived(entries, keys, known)
        for entry, sealed in zip(entries, seals, strict=True):
            at = holders.get((entry.source, sealed.key))
            if at is None:
                self.position += 1
                holders[entry.source, sealed.key] = self.position
                bodies[entry.source, self.position] = entry.body
                self.new.append(NewEvent(self.position, entry, sealed.key, stream_of(entry.source, entry.reading)))
                self.seals.append(sealed)
                self.receipts.append(Receipt("new", self.position))
                at = self.position
            elif entry.spooled and (entry.source, at, entry.received_at) in arrived:
                self.receipts.append(Receipt("duplicate", at))
            else:
                self._seen_before(entry, sealed, at, bodies[entry.source, at])
            arrived.add((entry.source, at, entry.received_at))

    def _look_up_others(
        self, entries: Sequence[Entry], keys: Sequence[bytes], known: Known, bodies: dict[Row, bytes | None]
    ) -> None:
        """Loads the recorded conflicts of the events that this batch conflicts with."""
        hit = {
            (entry.source, at)
            for entry, key in zip(entries, keys, strict=True)
            if (at := known.holders.get((entry.source, key))) is not None and not _same(entry, bodies[entry.source, at])
        }
        for where, body in known.others(sorted(hit)) if hit else ():
            self._others[where].add(body)

    def _seen_before(self, entry: Entry, sealed: Sealed, at: int, body: bytes | None) -> None:
        """Records a duplicate if the body is the same, else a conflict. A known conflict is only counted."""
        verdict = "duplicate" if _same(entry, body) else "conflict"
        self.receipts.append(Receipt(verdict, at))
        if verdict == "conflict":
            if not self._keeps(entry, at):
                self.repeated[entry.source, at] += 1
                return
            self.conflicts.append((entry.source, at))
        kept = (sealed.headers, entry.body) if verdict == "conflict" else (None, None)
        row = (entry.received_at, self.recorded_at, 200, None, None, len(entry.body), *kept)
        self.deliveries.append((entry.source, verdict, at, row))

    def _keeps(self, entry: Entry, at: int) -> bool:
        """Whether to record a conflict: its body is new, and its event has few others."""
        others = self._others[entry.source, at]
        keeps = entry.body not in others and len(others) < OTHERS
        if keeps:
            others.add(entry.body)
        return keeps

    def reject(self, rejections: Sequence[Rejection]) -> None:
        """Adds rejections to the delivery rows."""
        for rejection in rejections:
            self.deliveries.append((rejection.source, "rejected", None, _rejected(rejection, self.recorded_at)))

    def largely_rejected(self, size: int) -> list[str]:
        """The sources of rejections with a stored body larger than `size`."""
        rejected = ((source, row[-1]) for source, verdict, _, row in self.deliveries if verdict == "rejected")
        return sorted({source for source, body in rejected if body is not None and len(body) > size})

    def event_rows(self) -> tuple[list[Row], list[Row]]:
        """Rows of `events` and of `payloads`."""
        rows = [_rows(*one, self.recorded_at) for one in zip(self.new, self.seals, strict=True)]
        return [event for event, _ in rows], [payload for _, payload in rows]

    def relay_rows(self) -> list[Row]:
        """Rows of `relays`: the new events to deliver, due at once. Order is preserved within a stream."""
        return [
            (one.entry.source, one.position, one.stream or str(one.position), one.entry.relay, self._now)
            for one in self.new
            if one.entry.relay is not None
        ]

    def delivery_rows(self, first: int) -> list[Row]:
        """Rows of `deliveries`, numbered from `first`."""
        return [
            (source, number, verdict, self.position, at, *row)
            for number, (source, verdict, at, row) in enumerate(self.deliveries, first)
        ]

    def repeated_rows(self) -> list[Row]:
        """Rows of `conflicts`."""
        known = (self.position, self.recorded_at)
        return [(*where, times, *known, *known) for where, times in self.repeated.items()]


def _arrived(entries: Sequence[Entry], keys: Sequence[bytes], known: Known) -> set[Row]:
    """(source, position, arrival) of what the log has under the keys of spooled entries."""
    spooled = [(one.source, key) for one, key in zip(entries, keys, strict=True) if one.spooled]
    held = sorted({(source, known.holders[source, key]) for source, key in spooled if (source, key) in known.holders})
    return known.arrivals(held) if held else set()


def _same(entry: Entry, body: bytes | None) -> bool:
    """Whether an entry has the same body as the event that holds its key.

    An erased body counts as the same, since it cannot be compared. So do Hookfold's own events with the same key.
    """
    return body is None or entry.body == body or entry.source == OWN


def _rejected(rejection: Rejection, recorded_at: Instant) -> Row:
    """The columns of `deliveries` from received_at on."""
    told = (rejection.status, rejection.reason, rejection.hint, rejection.size)
    return (rejection.received_at, recorded_at, *told, pack(to_lines(rejection.headers)), rejection.body)


def _rows(new: NewEvent, sealed: Sealed, recorded_at: Instant) -> tuple[Row, Row]:
    """The rows of `events` and `payloads`."""
    entry, reading = new.entry, new.entry.reading
    word = word_of(reading)
    if isinstance(reading, Unreadable):
        read: tuple[str, str | None, int | None, Instant | None] = (word, None, None, None)
        unknown = None
    else:
        known = reading.known
        read = (word, reading.type if known else None, reading.sequence, reading.occurred_at)
        unknown = None if known else reading.type
    clocks = (entry.received_at, recorded_at)
    key, covered = sealed.key.hex(), sealed.commitment.hex()
    columns = Columns(
        new.position, entry.source, new.stream, new.opened, *read, *clocks, key, entry.verified_by, covered
    )
    event = (entry.source, new.position, new.stream, new.opened, *read, *clocks, sealed.key, entry.verified_by)
    return (*event, leaf(columns)), (entry.source, new.position, unknown, sealed.headers, entry.body, sealed.salt)
