"""`/v1/overview`: counts by state, anomalies, and the last day."""

from collections import Counter

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.funnels import TYPES, funnel
from adapters.http.presenters.sources import health_of
from adapters.sql import NEWEST, Counted, Status
from core.event import ANOMALIES, READINGS, SECOND, Instant
from core.instants import utc

routes = Routes()

KINDS = ("session", "measurement", "action", "device", "registration")
DAY = 86_400 * SECOND
FIRST = -62_135_596_800 * SECOND
"""The beginning of year 1, the earliest time that can be written."""


@routes.one(Scope.READ, "/v1/overview", queries.Present, shapes.Overview)
def overview(ask: Ask[queries.Present]) -> shapes.Overview:
    """Counts by kind, source, state and outcome; anomalies; where visits end; the last day; when sources last sent."""
    built, status = ask.api.current.is_built(), ask.api.current.status()
    with ask.api.reads.together():
        return _told(ask.api, built, status, ask.now)


def _told(api: Api, built: bool, status: Status, now: Instant) -> shapes.Overview:
    since = max(now - DAY, FIRST)
    counted = _counted(api, api.reads.position_at(since)) if built else []
    return shapes.Overview(
        position=status.position,
        lag=status.lag,
        unbuilt=not built,
        newest=NEWEST,
        counts=[_shape(one, one.number) for one in counted],
        anomalies=_anomalies(api) if built else [],
        misread=_misread(api),
        funnels=_funnels(api),
        derived=shapes.LastDay(
            since=utc(since),
            counts=[_shape(one, one.recent) for one in counted if one.recent],
            sources=[health_of(api, name, status.position, now) for name in api.source_names()],
        ),
    )


def _counted(api: Api, after: int) -> list[Counted]:
    versions = api.current.versions
    return [one for kind in KINDS for one in api.reads.counts(kind, versions, after)]


def _anomalies(api: Api) -> list[shapes.AnomalyCount]:
    """Counts anomalies. A stream counts once for each kind that it has."""
    versions, found = api.current.versions, Counter[tuple[str, str, int]]()
    for one in [each for kind in KINDS for each in api.reads.anomalous(kind, versions)]:
        for bit in range(len(ANOMALIES)):
            found[one.kind, one.source, bit] += one.number if one.mask >> bit & 1 else 0
    return [
        shapes.AnomalyCount(kind=kind, source=source, anomaly=ANOMALIES[bit], count=count)
        for (kind, source, bit), count in sorted(found.items())
        if count
    ]


def _misread(api: Api) -> list[shapes.MisreadCount]:
    """Counts events by reading, without `ok`."""
    return [
        shapes.MisreadCount(source=source, reading=reading, count=count)
        for reading in READINGS[1:]
        for source, count in api.reads.misread(reading)
    ]


def _funnels(api: Api) -> list[shapes.Funnel]:
    """The funnels of the configured wms sources."""
    names = sorted(name for name, source in api.sources.items() if source.provider == "wms")
    return [funnel(name, api.reads.visits(name, TYPES, len(names))) for name in names]


def _shape(one: Counted, count: int) -> shapes.Count:
    return shapes.Count(kind=one.kind, source=one.source, state=one.state, outcome=one.outcome, count=count)
