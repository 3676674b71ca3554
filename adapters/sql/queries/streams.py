"""Statements on projections: streams and measurements, newest first, by keyset."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, and_, false, func, select

from adapters.sql.database.tables import erased, measurements, projections, retractions, streams
from adapters.sql.queries.filters import IN_LIST_ORDER, MEASUREMENT_FILTERS, STREAM_FILTERS, Due, Filters, conditions
from adapters.sql.queries.union_pages import union_of_pages

EXAMINED = 20_000
"""The most rows examined for a page of a list, however few match."""


class Projected(NamedTuple):
    """A stream's projection. `provider_id` is None if it was erased; `conflicts` has positions separated by commas.

    `erased` is the position of the event that records the erasure of its bodies.
    """

    source: str
    stream: str
    kind: str
    machine: str
    fingerprint: str
    provider_id: str | None
    opened: int
    conflicts: str
    snapshot: bytes
    erased: int | None = None


class Measured(NamedTuple):
    """A measurement and its session's projection, whose state has the record if it is None here."""

    source: str
    measurement: str
    measurement_id: str | None
    opened: int
    stream: str
    machine: str
    fingerprint: str
    provider_id: str | None
    snapshot: bytes
    erased: int | None = None
    record: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStreams:
    """A filter of streams. None: no condition. `before` is the keyset, an exclusive `opened`, `floor` the lowest.

    `sources` are names, `streams` and `devices` our ids, `anomaly` a bit mask. `since` and `until` select streams with
    an event in that half-open time. `due` has conditions on deadlines.
    """

    kind: str
    fingerprints: Sequence[str]
    limit: int
    before: int | None = None
    floor: int | None = None
    sources: Sequence[str] | None = None
    streams: Sequence[str] | None = None
    state: str | None = None
    outcome: str | None = None
    user_id: str | None = None
    devices: Sequence[str] | None = None
    anomaly: int | None = None
    since: int | None = None
    until: int | None = None
    changed_after: int | None = None
    due: Sequence[Due] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMeasurements:
    """A filter of measurements. `before` is the exclusive keyset (opened, our id).

    `begun` are the positions of their first events. `left` is an inclusive range for the last event of those that have
    left their session's snapshot.
    """

    fingerprints: Sequence[str]
    limit: int
    before: tuple[int, str] | None = None
    floor: int | None = None
    sources: Sequence[str] | None = None
    measurements: Sequence[str] | None = None
    streams: Sequence[str] | None = None
    measurement_id: str | None = None
    begun: Sequence[int] | None = None
    left: tuple[int, int] | None = None
    state: str | None = None
    outcome: str | None = None
    anomaly: int | None = None


STREAM_ROWS = (
    select(
        *(projections.c.source, projections.c.stream, projections.c.kind, projections.c.machine),
        *(projections.c.fingerprint, streams.c.provider_id, projections.c.opened, projections.c.conflicts),
        *(projections.c.snapshot, erased.c.position),
    )
    .outerjoin_from(
        projections, streams, and_(streams.c.source == projections.c.source, streams.c.stream == projections.c.stream)
    )
    .outerjoin(erased, and_(erased.c.source == projections.c.source, erased.c.stream == projections.c.stream))
)

_MEASUREMENT_ROWS = (
    select(
        *(measurements.c.source, measurements.c.measurement, measurements.c.measurement_id, measurements.c.opened),
        *(measurements.c.stream, projections.c.machine, measurements.c.fingerprint, streams.c.provider_id),
        *(projections.c.snapshot, erased.c.position, measurements.c.record),
    )
    .join_from(
        measurements,
        projections,
        and_(
            projections.c.source == measurements.c.source,
            projections.c.stream == measurements.c.stream,
            projections.c.fingerprint == measurements.c.fingerprint,
        ),
    )
    .outerjoin(streams, and_(streams.c.source == measurements.c.source, streams.c.stream == measurements.c.stream))
    .outerjoin(erased, and_(erased.c.source == measurements.c.source, erased.c.stream == measurements.c.stream))
)


def list_streams(wanted: WantedStreams) -> Select[Any]:
    """Columns of Projected. No condition on the kind with an id, which implies it: SQLite would scan all of the kind.

    One select per device, because the index begins with the device.
    """
    if wanted.devices and len(wanted.devices) > 1:
        arms = [list_streams(replace(wanted, devices=[device])) for device in wanted.devices]
        return union_of_pages(arms, "-opened", limit=wanted.limit)
    if wanted.streams is not None or wanted.devices is not None:
        return _page(wanted)
    due = next((one for one in wanted.due if one.wanted), None) if wanted.user_id is None else None
    return _page(wanted, projections.c.kind == wanted.kind) if due is None else _list_due(wanted, due)


def floor_of(wanted: WantedStreams) -> Select[Any] | None:
    """The `opened` of the last row that a page may examine; None if an index fits the filter, or there is no filter."""
    found = (wanted.streams, wanted.devices, wanted.user_id) != (None, None, None)
    if found or any(one.wanted for one in wanted.due) or not _leaves_out(STREAM_FILTERS, wanted, wanted.due):
        return None
    query = select(projections.c.opened).where(projections.c.kind == wanted.kind)
    return _last(query, projections.c.opened, wanted.before)


def floor_of_measurements(wanted: WantedMeasurements) -> Select[Any] | None:
    """The same for measurements."""
    found = (wanted.measurements, wanted.streams, wanted.measurement_id) != (None, None, None)
    if found or not _leaves_out(MEASUREMENT_FILTERS, wanted):
        return None
    query, at = select(measurements.c.opened), measurements.c.opened
    opened, measurement = wanted.before or (None, "")
    return _last(query, at, opened + 1 if opened is not None and measurement else opened)


def _leaves_out(filters: Filters, wanted: object, due: Sequence[Due] = ()) -> bool:
    return bool(due) or any(getattr(wanted, name) is not None for name in filters)


def _last(query: Select[Any], at: ColumnElement[int], before: int | None) -> Select[Any]:
    query = query if before is None else query.where(at < before)
    return query.order_by(at.desc()).limit(1).offset(EXAMINED - 1)


def _list_due(wanted: WantedStreams, due: Due) -> Select[Any]:
    """One select per machine, and per source if some are named, because the indexes begin with them."""
    others = [one for one in wanted.due if one is not due]
    arms = []
    for (machine, source), its in due.by_place(wanted.sources).items():
        place = [projections.c.machine == machine, *([] if source is None else [projections.c.source == source])]
        arms.append(_page(replace(wanted, sources=None, due=[its, *others]), *place))
    return union_of_pages(arms, "-opened", limit=wanted.limit) if arms else _page(wanted, false())


def _page(wanted: WantedStreams, *also: ColumnElement[bool]) -> Select[Any]:
    query = STREAM_ROWS.where(projections.c.fingerprint.in_(wanted.fingerprints), *also)
    if wanted.before is not None:
        query = query.where(projections.c.opened < wanted.before)
    if wanted.floor is not None:
        query = query.where(projections.c.opened >= wanted.floor)
    query = query.where(*conditions(STREAM_FILTERS, projections, wanted))
    query = query.where(*(one.condition(projections) for one in wanted.due))
    return query.order_by(projections.c.opened.desc()).limit(wanted.limit)


def list_measurements(wanted: WantedMeasurements) -> Select[Any]:
    """Columns of Measured."""
    query = _MEASUREMENT_ROWS.where(measurements.c.fingerprint.in_(wanted.fingerprints))
    newest = (measurements.c.opened.desc(), measurements.c.measurement.desc())
    if wanted.before is not None:
        query = query.where(_follows(*wanted.before))
    if wanted.floor is not None:
        query = query.where(measurements.c.opened >= wanted.floor)
    filters = IN_LIST_ORDER if wanted.measurements is None and wanted.streams is None else MEASUREMENT_FILTERS
    return query.where(*conditions(filters, measurements, wanted)).order_by(*newest).limit(wanted.limit)


def _follows(opened: int, measurement: str) -> ColumnElement[bool]:
    """The keyset condition, in a form whose first half limits the index scan."""
    older, same = measurements.c.opened < opened, measurements.c.measurement < measurement
    return and_(measurements.c.opened <= opened, older | same)


def _sources_of(table: Table) -> Select[Any]:
    """A loose index scan along the primary key, because DISTINCT would read every row."""
    first = select(func.min(table.c.source).label("source")).cte("names", recursive=True)
    following = select(func.min(table.c.source)).where(table.c.source > first.c.source).scalar_subquery()
    names = first.union_all(select(following).where(first.c.source.is_not(None)))
    return select(names.c.source).where(names.c.source.is_not(None))


SOURCES = _sources_of(streams)
RETRACTED_SOURCES = _sources_of(retractions)
"""The sources with retractions."""
