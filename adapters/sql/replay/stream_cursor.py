"""Iterates over the streams that a machine folds, in the order in which they were opened (keyset pagination)."""

from collections.abc import Iterator, Mapping

from adapters.sql.database.joins import head_of
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
from adapters.sql.projections.dirty_streams import DirtyStream
from adapters.sql.projections.projection import Source
from adapters.sql.projections.status import KIND_OF

CHUNK = 200
"""The streams of one chunk, which are read, folded and written together."""

_NEXT = (
    "SELECT source, stream, kind, provider_id, opened FROM streams{} "
    "WHERE kind = ? AND opened > ? AND opened <= ? AND source IN ({}) ORDER BY opened LIMIT ?"
)
_COUNT = "SELECT count(*) FROM streams{} WHERE kind = ? AND opened > ? AND opened <= ? AND source IN ({})"


class StreamCursor:
    """Pages through the streams of a machine. `opened` is the key: no two streams of a kind share it."""

    def __init__(self, transactions: Transactions, sources: Mapping[str, Source]) -> None:
        self._transactions = transactions
        self._sources = sources

    def head(self) -> int:
        """The log's last position."""
        with self._transactions.reading() as cursor:
            return head_of(cursor)

    def chunks(self, machine: str, version: str, after: int, until: int) -> Iterator[list[DirtyStream]]:
        """The machine's streams opened after one position and up to another, for a version to fold."""
        while rows := self._ask(_NEXT, machine, after, until, CHUNK):
            after = rows[-1][4]
            yield [
                DirtyStream(source, stream, kind, name or "", opened, version)
                for source, stream, kind, name, opened in rows
            ]

    def count(self, machine: str, after: int, until: int) -> int:
        """The number of those streams."""
        return sum(count for (count,) in self._ask(_COUNT, machine, after, until))

    def _ask(self, sql: str, machine: str, after: int, until: int, *rest: int) -> list[Row]:
        """Queries the streams that a machine folds; returns nothing if no source has such streams."""
        kind = KIND_OF.get(machine, machine)
        sources = [name for name, source in self._sources.items() if source.machine_of(kind) == machine]
        if not sources:
            return []
        marks = ", ".join("?" * len(sources))
        asked = sql.format(self._transactions.dialect.using("ix_streams_kind_opened"), marks)
        return self._transactions.rows(asked, kind, after, until, *sources, *rest)
