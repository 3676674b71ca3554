"""Splits the rows of a refolded long stream into pieces small enough to be written between two deliveries."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapters.sql.dialects.dialect import Dialect, Insert, Row
from adapters.sql.projections.projection import (
    Projection,
    changed_rows,
    is_left,
    measurement_rows,
    outdated_rows,
    run_rows,
)
from adapters.sql.projections.refold import FORGET_MEASUREMENT, FORGET_PREFIX, MEASUREMENTS, PREFIXES, RUNS
from core.ids import Ids

MEASURED_ROWS, BLOCKS, STATES, KEYS = 64, 16, 8, 128
"""Rows per piece: about 32 KB, which a database writes in a millisecond or two."""


class Piece(NamedTuple):
    """Rows to delete, by primary key, and rows to write."""

    forget: str = ""
    keys: Sequence[Row] = ()
    into: Insert | None = None
    rows: Sequence[Row] = ()

    def write(self, cursor: Any, dialect: Dialect) -> None:
        """Writes it, in the caller's transaction."""
        if self.keys:
            cursor.executemany(self.forget.replace("?", dialect.mark), self.keys)
        if self.into is not None:
            dialect.insert(cursor, self.into, self.rows)


def pieces_of(ids: Ids, one: Projection, stored: Mapping[Row, Row], prefixes: Sequence[Row]) -> list[Piece]:
    """All rows of a projection except those of its current state.

    `stored` are the existing rows of measurements and `prefixes` the primary keys of existing prefixes, which may have
    to be deleted.
    """
    now = measurement_rows(ids, one)
    left = [row for row in changed_rows(stored, now) if is_left(row)]
    others = set(outdated_rows(stored, now))
    pieces = [Piece(FORGET_PREFIX, some) for some in _chunks(prefixes, KEYS)]
    pieces += [Piece(into=PREFIXES, rows=some) for some in _chunks(one.prefixes, STATES)]
    pieces += [Piece(into=RUNS, rows=some) for some in _chunks(run_rows(one), BLOCKS)]
    for rows in _chunks(left, MEASURED_ROWS):
        keys = [row[:3] for row in rows if row[:3] in others]
        pieces.append(Piece(FORGET_MEASUREMENT, keys, MEASUREMENTS, rows))
    gone = [key for key in stored if key not in now]
    pieces += [Piece(FORGET_MEASUREMENT, some) for some in _chunks(gone, KEYS)]
    one.measured = {key: row for key, row in stored.items() if key in now and not is_left(now[key])}
    one.prefixes = []
    one.state.taken_out()
    return pieces


def _chunks(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
