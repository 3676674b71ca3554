"""Statements that find our ids by prefix, as a range of an index."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Select, func, select

from adapters.sql.database.tables import measurements, streams
from adapters.sql.queries.union_pages import union_of_pages

_LAST = "z" * 26
"""Sorts after every continuation of an id's prefix."""


class IdRow(NamedTuple):
    """An id of ours and its source."""

    id: str
    source: str


def list_beginning(beginning: str, sources: Sequence[str], after: str, limit: int) -> Select[Any]:
    """Columns of IdRow by id, one source at a time because the indexes begin with the source."""
    table, column = (
        (measurements, measurements.c.measurement) if beginning.startswith("mea_") else (streams, streams.c.stream)
    )
    begun = (column >= beginning, column <= beginning + _LAST, func.substr(column, 1, len(beginning)) == beginning)
    found = select(column.label("id"), table.c.source).where(*begun, column > after).distinct()
    arms = [found.where(table.c.source == name).order_by(column).limit(limit) for name in sources]
    return union_of_pages(arms, "id", limit=limit)
