"""Statements for the funnel: which steps the newest sessions of a source have reached, and what ended them."""

from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, null, select, true

from adapters.sql.database.tables import events, retractions
from adapters.sql.queries.as_of import there_is
from core.clocks import Clocks

VISIT_STEPS = {
    "loaded": "WMS_LOADED",
    "camera": "CAMERA_STARTED",
    "started": "MEASUREMENT_STARTED",
    "scanned": "SCAN_COMPLETED",
    "results": "RESULTS_RECEIVED",
    "redirected": "REDIRECTING_TO_CALLBACK",
}
"""The event type of each step of a visit."""

MOST = 5_000
"""The most events examined, of the newest sessions of all sources together."""

ENDS = (
    "CAMERA_PERMISSION_DENIED",
    "MEASUREMENT_CANCELED",
    "LOW_SNR",
    "CONSTRAINT_VIOLATION",
    "GENERAL_ERROR",
    "API_ERROR",
)
"""What ends a measurement before its result. PAGE_UNLOADED counts only if nothing else did."""

_GOODBYE = "PAGE_UNLOADED"
VISIT_ENDINGS = (*ENDS, _GOODBYE)
"""Every event type that can end a visit."""

_STARTS = "MEASUREMENT_STARTED"
_CODES = 8


class Visit(NamedTuple):
    """A session: the steps that it has reached, and the type of the event that ended it; None if it is open."""

    stream: str
    opened: int
    steps: tuple[bool, ...]
    ended_by: str | None


class VisitPage(NamedTuple):
    """Visits, and the `opened` before which the next page begins; None at the end."""

    visits: list[Visit]
    floor: int | None


def list_visits(
    source: str, steps: tuple[str, ...], sources: int = 1, before: int | None = None, clocks: Clocks | None = None
) -> Select[Any]:
    """A row for each session, to be read with `page_of_visits`. One pass over an index that has each session together.

    `sources` is the number of sources that share the limit of examined events. `before` is the keyset, an exclusive
    `opened`. `clocks` limits the events that count; None: all. Excluded events are examined all the same.
    """
    its = events.c
    bounds = [] if before is None else [its.opened < before]
    bounds += [] if clocks is None else [its.opened <= clocks.position]
    rows = (
        select(its.stream, its.opened, its.position, its.type, _counts(clocks).label("counts"))
        .where(its.source == source, its.opened.is_not(None), *bounds)
        .order_by(its.opened.desc(), its.position.desc())
        .limit(_most(sources))
        .subquery()
    )
    seen = [func.max(case((and_(rows.c.counts, rows.c.type == step), 1), else_=0)) for step in steps]
    ends = [
        (and_(rows.c.counts, rows.c.type == name), rows.c.position * _CODES + code) for code, name in enumerate(ENDS)
    ]
    last = func.max(case(*ends, else_=null()))
    started, left = (func.max(_at(rows.c, name)) for name in (_STARTS, _GOODBYE))
    counted = func.max(case((rows.c.counts, 1), else_=0))
    told = (rows.c.stream, func.max(rows.c.opened), func.count(), counted, last, started, left, *seen)
    return select(*told).group_by(rows.c.stream)


def page_of_visits(rows: list[Any], sources: int) -> VisitPage:
    """A page of visits. The oldest session may be incomplete, so it is left to the next page."""
    by_age = sorted(rows, key=lambda row: -int(row[1]))
    if sum(int(row[2]) for row in rows) < _most(sources):
        return VisitPage([_visit_of(row) for row in by_age if row[3]], None)
    whole = by_age[:-1] or by_age
    return VisitPage([_visit_of(row) for row in whole if row[3]], int(whole[-1][1]))


def visits_of(rows: list[Any]) -> list[Visit]:
    """All visits, as far as they were examined."""
    return [_visit_of(row) for row in rows if row[3]]


def _visit_of(row: Any) -> Visit:
    """The visit in a row. What ended a measurement counts only if no other one began after it."""
    stream, opened, _, _, last, started, left, *seen = row
    ended = None if left is None else _GOODBYE
    if last is not None and last // _CODES > (started or 0):
        ended = ENDS[last % _CODES]
    return Visit(stream, opened, tuple(bool(one) for one in seen), ended)


def _most(sources: int) -> int:
    return max(1, MOST // sources)


def _counts(clocks: Clocks | None) -> ColumnElement[bool]:
    """Whether an event had happened, was known, and was not known to be retracted."""
    its = events.c
    own = (retractions.c.source == its.source, retractions.c.position == its.position)
    if clocks is None:
        return ~there_is(retractions, *own)
    happened = func.coalesce(its.occurred_at, its.received_at)
    by_then = true() if clocks.as_of is None else happened <= clocks.as_of
    back = there_is(retractions, *own, retractions.c.retraction <= clocks.position)
    return and_(its.position <= clocks.position, by_then, ~back)


def _at(columns: Any, name: str) -> ColumnElement[Any]:
    return case((and_(columns.counts, columns.type == name), columns.position), else_=null())
