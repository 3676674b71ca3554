"""Statements on projections: streams and measurements, newest first, by keyset."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal_column, null, select

from adapters.sql.database.tables import erased, measurements, projections, streams
from adapters.sql.reads.union_pages import union_of_pages


class Projected(NamedTuple):
    """A stream's projection. `provider_id` is None where it was erased; `conflicts` holds positions, comma between.

    `erased`: the position of the event that tells that bodies of it are gone.
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
    """A measurement, and the session's projection that holds its record."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedStreams:
    """Which streams are asked for. None: not asked. `before`: the keyset, a value of `opened`, exclusive.

    `sources` are names, `streams` and `devices` our ids, `anomaly` a mask of bits. `since` and `until` take what had
    any event in that half-open time.
    """

    kind: str
    fingerprints: Sequence[str]
    limit: int
    before: int | None = None
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


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedMeasurements:
    """Which measurements are asked for. `before`: the keyset (opened, our id), exclusive."""

    fingerprints: Sequence[str]
    limit: int
    before: tuple[int, str] | None = None
    sources: Sequence[str] | None = None
    measurements: Sequence[str] | None = None
    streams: Sequence[str] | None = None
    measurement_id: str | None = None
    state: str | None = None
    outcome: str | None = None
    anomaly: int | None = None


Conditions = dict[str, Callable[[Any], ColumnElement[bool]]]

# A partial index is taken only where the statement itself says its condition, without a parameter.
_NONE: ColumnElement[int] = literal_column("0")

_STREAMS: Conditions = {
    "before": lambda opened: projections.c.opened < opened,
    "sources": projections.c.source.in_,
    "streams": projections.c.stream.in_,
    "state": lambda state: projections.c.state == state,
    "outcome": lambda outcome: projections.c.outcome == outcome,
    "user_id": lambda user_id: projections.c.user_id == user_id,
    "devices": projections.c.device.in_,
    "anomaly": lambda mask: and_(projections.c.anomalies != _NONE, projections.c.anomalies.bitwise_and(mask) != _NONE),
    "since": lambda instant: projections.c.last_at >= instant,
    "until": lambda instant: projections.c.first_at < instant,
    "changed_after": lambda position: projections.c.position > position,
}

_MEASUREMENTS: Conditions = {
    "before": lambda key: and_(
        measurements.c.opened <= key[0],
        (measurements.c.opened < key[0]) | (measurements.c.measurement < key[1]),
    ),
    "sources": measurements.c.source.in_,
    "measurements": measurements.c.measurement.in_,
    "streams": measurements.c.stream.in_,
    "measurement_id": lambda name: measurements.c.measurement_id == name,
    "state": lambda state: measurements.c.state == state,
    "outcome": lambda outcome: measurements.c.outcome == outcome,
    "anomaly": lambda mask: measurements.c.anomalies.bitwise_and(mask) != _NONE,
}


# SQLite would find a source's measurements by an index that knows nothing of their order, and sort them all.
_IN_ORDER: Conditions = _MEASUREMENTS | {"sources": func.coalesce(measurements.c.source, null()).in_}

_STREAM_ROWS = (
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
        *(projections.c.snapshot, erased.c.position),
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
    """Columns of Projected. An id implies its kind: said again, SQLite would walk all of the kind to find one id.

    A device at a time, because that is how the index is ordered.
    """
    if wanted.devices and len(wanted.devices) > 1:
        arms = [list_streams(replace(wanted, devices=[device])) for device in wanted.devices]
        return union_of_pages(arms, "-opened", limit=wanted.limit)
    query = _STREAM_ROWS.where(projections.c.fingerprint.in_(wanted.fingerprints))
    if wanted.streams is None and wanted.devices is None:
        query = query.where(projections.c.kind == wanted.kind)
    return _asked(query, _STREAMS, wanted).order_by(projections.c.opened.desc()).limit(wanted.limit)


def list_measurements(wanted: WantedMeasurements) -> Select[Any]:
    """Columns of Measured."""
    query = _MEASUREMENT_ROWS.where(measurements.c.fingerprint.in_(wanted.fingerprints))
    newest = (measurements.c.opened.desc(), measurements.c.measurement.desc())
    conditions = _IN_ORDER if wanted.measurements is None and wanted.streams is None else _MEASUREMENTS
    return _asked(query, conditions, wanted).order_by(*newest).limit(wanted.limit)


def _asked(query: Select[Any], conditions: Conditions, wanted: object) -> Select[Any]:
    for name, condition in conditions.items():
        value = getattr(wanted, name)
        if value is not None:
            query = query.where(condition(value))
    return query


def _distinct_sources() -> Select[Any]:
    """Jumps from name to name along the primary key: DISTINCT would read every row."""
    first = select(func.min(streams.c.source).label("source")).cte("names", recursive=True)
    following = select(func.min(streams.c.source)).where(streams.c.source > first.c.source).scalar_subquery()
    names = first.union_all(select(following).where(first.c.source.is_not(None)))
    return select(names.c.source).where(names.c.source.is_not(None))


SOURCES = _distinct_sources()
