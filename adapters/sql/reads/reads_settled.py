"""Statements on streams of which nothing has become known since a time: what is stored is what was known then."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select

from adapters.sql.database.tables import events, projections, retractions, unfolded
from adapters.sql.projections.projection import mask
from adapters.sql.reads.reads_as_of import Named
from core.clocks import Clocks
from core.event import Instant

_its = projections.c


def settled(some: Sequence[Named], versions: Sequence[str], clocks: Clocks, received: int) -> Select[Any]:
    """The rows of `projections` that hold what a question is about, but for what was taken back since.

    Those whose keys came with two bodies are not told so: which of the conflicts were known then, the row does not say.
    `received`: the log's last position when `as_of` was, before which all had happened that has no time of its own.
    """
    waits = exists().where(
        unfolded.c.source == _its.source, unfolded.c.stream == _its.stream, unfolded.c.version == _its.fingerprint
    )
    query = select(projections).where(
        _its.source.in_({named.source for named in some}),
        _its.stream.in_([named.stream for named in some]),
        _its.fingerprint.in_(versions),
        _its.position <= min(clocks.position, received),
        _its.conflicts == "",
        ~waits,
    )
    return query if clocks.as_of is None else query.where(_had_happened(clocks.as_of))


def _had_happened(as_of: Instant) -> ColumnElement[bool]:
    """Of a clock that is ahead, `last_at` does not tell what it said."""
    skewed = _its.anomalies.bitwise_and(mask(["clock_skew"])) != 0
    return and_(or_(_its.last_at.is_(None), _its.last_at <= as_of), ~skewed)


def taken_back(some: Sequence[Named], position: int) -> Select[Any]:
    """Our ids of those of the streams an event of which was retracted behind that position."""
    event = and_(events.c.source == retractions.c.source, events.c.position == retractions.c.position)
    query = select(events.c.stream).join_from(retractions, events, event)
    return query.where(
        retractions.c.source.in_({named.source for named in some}),
        retractions.c.retraction > position,
        events.c.stream.in_([named.stream for named in some]),
    )
