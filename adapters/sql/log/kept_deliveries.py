"""Limits the record of deliveries that made no event to the newest of each source. Older ones are counted."""

from collections.abc import Iterator, Sequence
from typing import Any

from adapters.sql.database import tables
from adapters.sql.database.delivery_numbers import LAST_DELIVERY
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row
from adapters.sql.log.batch import Batch

KEPT_DELIVERIES = 1_000
"""The most recorded deliveries per source and verdict, the newest ones. Older ones are counted: duplicates and
conflicts by event, rejections by reason."""

KEPT_BYTES = 16 * 2**20
"""The bytes of complete rejected bodies per source, the newest ones. The same limit applies to conflicts, of which the
newest remain."""
CUT_BODY = 4_096
"""The bytes that remain of older rejected bodies."""

DELIVERIES = Insert(tables.deliveries)

_OTHERS = Lookup(
    "t.source, t.position, t.body",
    tables.deliveries,
    ("source", "position"),
    " WHERE t.verdict = 'conflict'",
    index="ix_deliveries_source_position",
)
_SURPLUS = (
    "SELECT delivery FROM deliveries WHERE source = ? AND verdict = ? "
    f"ORDER BY delivery DESC LIMIT 1 OFFSET {KEPT_DELIVERIES}"
)
_PRUNE = "DELETE FROM deliveries WHERE source = ? AND verdict = ? AND delivery <= ?"
_SIZES = (
    "SELECT delivery, length(body) FROM deliveries{} WHERE source = ? AND verdict = ? "
    f"ORDER BY delivery DESC LIMIT {KEPT_DELIVERIES + 1}"
)
_CUT = f"UPDATE deliveries SET body = substr(body, 1, {CUT_BODY}) WHERE source = ? AND delivery = ?"
_COUNT_DUPLICATES = (
    "INSERT INTO duplicates (source, position, times, head, recorded_at) "
    "SELECT source, position, count(*), max(head), max(recorded_at) FROM deliveries "
    "WHERE source = ? AND verdict = 'duplicate' AND delivery <= ? GROUP BY source, position "
    "ON CONFLICT (source, position) DO UPDATE SET times = duplicates.times + excluded.times, "
    "head = excluded.head, recorded_at = excluded.recorded_at"
)
_COUNT_REJECTIONS = (
    "INSERT INTO rejections (source, reason, times, first_at, last_at) "
    "SELECT source, coalesce(reason, ''), count(*), min(received_at), max(received_at) FROM deliveries "
    "WHERE source = ? AND verdict = 'rejected' AND delivery <= ? GROUP BY source, coalesce(reason, '') "
    "ON CONFLICT (source, reason) DO UPDATE SET times = rejections.times + excluded.times, "
    "last_at = excluded.last_at"
)


def _further(name: str, sign: str) -> str:
    return f"{name} = CASE WHEN excluded.{name} {sign} conflicts.{name} THEN excluded.{name} ELSE conflicts.{name} END"


_ADD_CONFLICTS = (
    " ON CONFLICT (source, position) DO UPDATE SET times = conflicts.times + excluded.times, "
    f"{_further('head', '>')}, {_further('recorded_at', '>')}, "
    f"{_further('first_head', '<')}, {_further('first_recorded_at', '<')}"
)
"""A repetition is counted while the first delivery of its body is still recorded, so later counts may be of older
deliveries."""
_REPEATED = Insert(tables.conflicts, _ADD_CONFLICTS)
_PRUNED_CONFLICTS = (
    "INSERT INTO conflicts (source, position, times, head, recorded_at, first_head, first_recorded_at) "
    "SELECT source, position, count(*), max(head), max(recorded_at), min(head), min(recorded_at) FROM deliveries "
    "WHERE source = ? AND verdict = 'conflict' AND delivery <= ? GROUP BY source, position"
)
_COUNT_CONFLICTS = _PRUNED_CONFLICTS + _ADD_CONFLICTS
_COUNTS = {"duplicate": _COUNT_DUPLICATES, "conflict": _COUNT_CONFLICTS, "rejected": _COUNT_REJECTIONS}
_UNLESS_COUNTED = {"conflict": f"{_PRUNED_CONFLICTS} ON CONFLICT DO NOTHING"}


class KeptDeliveries:
    """Works in the caller's transaction, which must hold the append lock."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect

    def add(self, cursor: Any, turn: Batch) -> None:
        """Records a batch's deliveries that made no event, and counts those that exceed the limits."""
        if turn.repeated:
            self._dialect.insert(cursor, _REPEATED, turn.repeated_rows())
        if not turn.deliveries:
            return
        cursor.execute(LAST_DELIVERY)
        first = cursor.fetchone()[0] + 1
        self._dialect.insert(cursor, DELIVERIES, turn.delivery_rows(first))
        for source, verdict in sorted({one[:2] for one in turn.deliveries}):
            self.prune(cursor, source, verdict)
        for source in turn.largely_rejected(CUT_BODY):
            self._cut(cursor, source)

    def others(self, cursor: Any, at: Sequence[Row]) -> Iterator[tuple[Row, bytes | None]]:
        """The bodies of recorded conflicts, each with the (source, position) of its event."""
        return (((source, position), body) for source, position, body in self._dialect.lookup(cursor, _OTHERS, at))

    def prune(self, cursor: Any, source: str, verdict: str, *, counted: bool = False) -> None:
        """Deletes a source's oldest deliveries of one verdict after adding them to the counts.

        `counted`: the counts include them already, except conflicts of events without a count, which remain conflicts.
        """
        last = self._last_surplus(cursor, source, verdict)
        if last is None:
            return
        count = (_UNLESS_COUNTED if counted else _COUNTS).get(verdict)
        if count is not None:
            cursor.execute(count.replace("?", self._dialect.mark), (source, last))
        cursor.execute(_PRUNE.replace("?", self._dialect.mark), (source, verdict, last))

    def _last_surplus(self, cursor: Any, source: str, verdict: str) -> int | None:
        if verdict == "conflict":
            return self._first_too_large(cursor, source)
        cursor.execute(_SURPLUS.replace("?", self._dialect.mark), (source, verdict))
        return next((int(number) for (number,) in cursor.fetchall()), None)

    def _first_too_large(self, cursor: Any, source: str) -> int | None:
        """The newest conflict that exceeds the limit in number, or in bytes together with newer ones. The last one
        always stays.
        """
        held = 0
        for place, (delivery, size) in enumerate(self._sizes(cursor, source, "conflict")):
            held += size
            if place == KEPT_DELIVERIES or (place and held > KEPT_BYTES):
                return delivery
        return None

    def _cut(self, cursor: Any, source: str) -> None:
        """Truncates the bodies of a source's older rejections if all together exceed the limit."""
        held = 0
        for delivery, size in self._sizes(cursor, source, "rejected"):
            held += size
            if held > KEPT_BYTES and size > CUT_BODY:
                cursor.execute(_CUT.replace("?", self._dialect.mark), (source, delivery))

    def _sizes(self, cursor: Any, source: str, verdict: str) -> list[tuple[int, int]]:
        sql = _SIZES.format(self._dialect.using("ix_deliveries_source_verdict_delivery"))
        cursor.execute(sql.replace("?", self._dialect.mark), (source, verdict))
        return [(delivery, size or 0) for delivery, size in cursor.fetchall()]
