"""Statements on streams that are unchanged since a time: the stored row is also the row as of then."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, exists, false, func, not_, or_, select, true

from adapters.sql.database.tables import erased, measurements, projections, streams, unfolded
from adapters.sql.projections.projection import mask
from adapters.sql.queries.as_of import StreamRow, there_is
from adapters.sql.queries.filters import MEASUREMENT_FILTERS, STREAM_FILTERS, conditions
from adapters.sql.queries.streams import WantedMeasurements, WantedStreams
from core.clocks import Clocks
from core.event import Instant

_its = projections.c


@dataclass(frozen=True, slots=True)
class Unchanged:
    """Which rows of `projections` hold what a question is about: of `sources`, of which nothing was ever taken back.

    Which of a row's conflicts were known then, it does not say: they alter no state, and were never more than now.
    `versions`: those that hold the present; none where it would have to be folded. `received`: the log's last position
    when `as_of` was; events without a time of their own had happened by then if they are not after it. A device that
    was only mentioned has no event: when it was named first, its row does not say.
    """

    clocks: Clocks
    sources: Sequence[str]
    versions: Sequence[str]
    received: int

    def conditions(self) -> list[ColumnElement[bool]]:
        """On `projections`."""
        waits = exists().where(
            unfolded.c.source == _its.source, unfolded.c.stream == _its.stream, unfolded.c.version == _its.fingerprint
        )
        position = min(self.clocks.position, self.received)
        its = [_its.fingerprint.in_(self.versions), _its.position <= position, ~waits]
        return its if self.clocks.as_of is None else [*its, _its.position > 0, _had_happened(self.clocks.as_of)]


def settled(some: Sequence[StreamRow], which: Unchanged) -> Select[Any]:
    """The rows of these streams."""
    sources, names = {named.source for named in some}, [named.stream for named in some]
    return select(projections).where(_its.source.in_(sources), _its.stream.in_(names), *which.conditions())


def unwanted(wanted: WantedStreams | WantedMeasurements, which: Unchanged) -> ColumnElement[bool]:
    """Of a stream that `list_named` lists: its row holds what was known, and says that the filters leave it out."""
    own = (_its.source == streams.c.source, _its.stream == streams.c.stream)
    left_out = there_is(projections, *own, *which.conditions(), not_(_is_wanted(wanted)))
    return and_(streams.c.source.in_(which.sources), left_out, erased.c.position.is_(None))


def _is_wanted(wanted: WantedStreams | WantedMeasurements) -> ColumnElement[bool]:
    if isinstance(wanted, WantedMeasurements):
        its = measurements.c
        own = (its.source == _its.source, its.stream == _its.stream, its.fingerprint == _its.fingerprint)
        return there_is(measurements, *own, *conditions(MEASUREMENT_FILTERS, measurements, wanted))
    due = (one.condition(projections) for one in wanted.due)
    return func.coalesce(and_(true(), *conditions(STREAM_FILTERS, projections, wanted), *due), false())


def _had_happened(as_of: Instant) -> ColumnElement[bool]:
    """Of a clock that is ahead, `last_at` does not tell what it said."""
    skewed = _its.anomalies.bitwise_and(mask(["clock_skew"])) != 0
    return and_(or_(_its.last_at.is_(None), _its.last_at <= as_of), ~skewed)
