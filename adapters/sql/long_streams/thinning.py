"""Thins the prefixes of streams whose events always came in order: appends store one at every hundredth event."""

import msgspec

from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
from adapters.sql.projections.refold import FORGET_PREFIX
from core.folding.prefixes import too_close

MANY = 500
"""A stream with fewer prefixes is not thinned."""

AT_ONCE = 128
"""Prefixes deleted in one transaction."""

_OWN = "source = ? AND stream = ? AND fingerprint = ?"
_NEXT = (
    "SELECT source, stream, fingerprint FROM prefixes WHERE (source, stream, fingerprint) > (?, ?, ?) "
    "ORDER BY source, stream, fingerprint LIMIT 1"
)
_HAS_MANY = f"SELECT 1 FROM prefixes WHERE {_OWN} AND position > 0 LIMIT 1 OFFSET ?"
_ALL = f"SELECT position, snapshot FROM prefixes WHERE {_OWN} ORDER BY position"
_FIRST = ("", "", "")


class _Counted(msgspec.Struct):
    """The number of events in a state of any machine."""

    events: int = msgspec.field(default=0, name="n")


_counted = msgspec.msgpack.Decoder(_Counted)


class Thinning:
    """Visits one stream after another, in rotation. Every method raises Unavailable."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._mark = transactions.dialect.mark
        self._last: Row = _FIRST

    def look(self) -> None:
        """Thins the prefixes of the next stream that has any, if they are many."""
        surplus = self._surplus()
        for start in range(0, len(surplus), AT_ONCE):
            with self._transactions.short_turn() as cursor:
                cursor.executemany(FORGET_PREFIX.replace("?", self._mark), surplus[start : start + AT_ONCE])

    def _surplus(self) -> list[Row]:
        with self._transactions.reading() as cursor:
            cursor.execute(_NEXT.replace("?", self._mark), self._last)
            found = cursor.fetchone()
            self._last = tuple(found) if found is not None else _FIRST
            cursor.execute(_HAS_MANY.replace("?", self._mark), (*self._last, MANY))
            if cursor.fetchone() is None:
                return []
            cursor.execute(_ALL.replace("?", self._mark), self._last)
            places = {_counted.decode(bytes(snapshot)).events: at for at, snapshot in cursor.fetchall()}
        return [(*self._last, places[number]) for number in too_close(sorted(places))]
