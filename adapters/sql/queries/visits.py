"""Statements on how far visits came: which steps the newest sessions of a source have seen, and what ended them."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, case, exists, func, null, select

from adapters.sql.database.tables import events, retractions

MOST = 5_000
"""Events that are looked through, of the newest sessions of all sources together, however many there are."""

ENDS = (
    "CAMERA_PERMISSION_DENIED",
    "MEASUREMENT_CANCELED",
    "LOW_SNR",
    "CONSTRAINT_VIOLATION",
    "GENERAL_ERROR",
    "API_ERROR",
)
"""What ends a measurement before its result. The page's goodbye ends what nothing else has."""

_GOODBYE = "PAGE_UNLOADED"
_STARTS = "MEASUREMENT_STARTED"
_CODES = 8


class Visit(NamedTuple):
    """A session: which of the steps it has seen, and the type of the event that ended it; None where it goes on."""

    stream: str
    steps: tuple[bool, ...]
    ended_by: str | None


def list_visits(source: str, steps: tuple[str, ...], sources: int = 1) -> Select[Any]:
    """A row for each session, to be read with `visit_of`. One pass over an index that has a session side by side.

    `sources`: so many share what is looked through.
    """
    gone = exists().where(retractions.c.source == events.c.source, retractions.c.position == events.c.position)
    rows = (
        select(events.c.stream, events.c.position, events.c.type)
        .where(events.c.source == source, events.c.opened.is_not(None), ~gone)
        .order_by(events.c.opened.desc(), events.c.position.desc())
        .limit(max(1, MOST // sources))
        .subquery()
    )
    seen = [func.max(case((rows.c.type == step, 1), else_=0)) for step in steps]
    ends = [(rows.c.type == name, rows.c.position * _CODES + code) for code, name in enumerate(ENDS)]
    last = func.max(case(*ends, else_=null()))
    started, left = (func.max(_at(rows.c, name)) for name in (_STARTS, _GOODBYE))
    return select(rows.c.stream, last, started, left, *seen).group_by(rows.c.stream)


def visit_of(row: Any) -> Visit:
    """A measurement that was begun anew has not ended with the one before."""
    stream, last, started, left, *seen = row
    ended = None if left is None else _GOODBYE
    if last is not None and last // _CODES > (started or 0):
        ended = ENDS[last % _CODES]
    return Visit(stream, tuple(bool(one) for one in seen), ended)


def _at(columns: Any, name: str) -> ColumnElement[Any]:
    return case((columns.type == name, columns.position), else_=null())
