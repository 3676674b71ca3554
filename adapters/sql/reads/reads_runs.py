"""Statements on ended runs that have left their stream's snapshot."""

from typing import Any

from sqlalchemy import Select, select

from adapters.sql.database.tables import runs, unfolded
from adapters.sql.projections.dirty_streams import CLAIMED
from adapters.sql.reads.reads_streams import Projected
from core.machines.state import BLOCK


def blocks_of(row: Projected, after: int, upto: int, limit: int) -> Select[Any]:
    """The blocks that hold the stream's first runs behind the number `after`, up to `upto`."""
    mine = (runs.c.source == row.source, runs.c.stream == row.stream, runs.c.fingerprint == row.fingerprint)
    query = select(runs.c.runs).where(*mine, runs.c.first > after - BLOCK, runs.c.first <= upto)
    return query.order_by(runs.c.first).limit(limit // BLOCK + 2)


def being_written(row: Projected) -> Select[Any]:
    """A row where some of the stream's rows are of another fold than its snapshot."""
    its = unfolded.c
    mine = (its.source == row.source, its.stream == row.stream, its.version == row.fingerprint)
    return select(its.token).where(*mine, its.beside >= CLAIMED)
