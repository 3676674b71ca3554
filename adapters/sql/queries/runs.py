"""Statements on ended runs that have left their stream's snapshot."""

from typing import Any

from sqlalchemy import Select, exists, select

from adapters.sql.database.tables import runs, unfolded
from adapters.sql.projections.dirty_streams import CLAIMED
from adapters.sql.queries.streams import Projected
from core.machines.state import BLOCK


def blocks_of(row: Projected, after: int, upto: int, limit: int) -> Select[Any]:
    """The blocks that hold the stream's first runs behind the number `after`, up to `upto`.

    Behind each stands whether some of them may be of another fold than the stream's snapshot.
    """
    mine = (runs.c.source == row.source, runs.c.stream == row.stream, runs.c.fingerprint == row.fingerprint)
    mark = (unfolded.c.source == row.source, unfolded.c.stream == row.stream, unfolded.c.version == row.fingerprint)
    written = exists().where(*mark, unfolded.c.beside >= CLAIMED)
    query = select(runs.c.runs, written).where(*mine, runs.c.first > after - BLOCK, runs.c.first <= upto)
    return query.order_by(runs.c.first).limit(limit // BLOCK + 2)
