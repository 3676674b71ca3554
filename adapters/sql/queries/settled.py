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
    """Selects the rows of `projections` that are also valid as of a query's clocks. `sources` have no retractions.

    A row's conflicts may be fewer then; they change no state. `versions` are the built ones, none if the present would
    have to be folded. `received` is the log's last position at `as_of`: events without a time of their own had happened
    by then if they are not after it. A device without events is not valid, because its row does not say when it was
    first named.
    """

    clocks: Clocks
    sources: Sequence[str]
    versions: Sequence[str]
    received: int

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions on `projections`."""
        waits = exists().where(
            unfolded.c.source == _its.source, unfolded.c.stream == _its.stream, unfolded.c.version == _its.fingerprint
        )
        position = min(self.clocks.position, self.received)
        its = [_its.fingerprint.in_(self.versions), _its.position <= position, ~waits]
        return its if self.clocks.as_of is None else [*its, _its.position > 0, _had_happened(self.clocks.as_of)]


def settled(some: Sequence[StreamRow], which: Unchanged) -> Select[Any]:
    """The valid rows of these streams."""
    sources, names = {named.source for named in some}, [named.stream for named in some]
    return select(projections).where(_its.source.in_(sources), _its.stream.in_(names), *which.conditions())


def unwanted(wanted: WantedStreams | WantedMeasurements, which: Unchanged) -> ColumnElement[bool]:
    """A condition on `list_named`: the stream's row is valid and does not match the filters."""
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
    """Excludes skewed clocks, of which `last_at` is not the time that was sent."""
    skewed = _its.anomalies.bitwise_and(mask(["clock_skew"])) != 0
    return and_(or_(_its.last_at.is_(None), _its.last_at <= as_of), ~skewed)
