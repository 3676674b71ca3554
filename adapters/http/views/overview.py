"""`/v1/overview`: how many of everything are in which state, and what the last day brought."""

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.sources import health_of
from adapters.sql import NEWEST, Counted
from core.event import SECOND
from core.instants import utc

routes = Routes()

KINDS = ("session", "measurement", "action", "device", "registration")
DAY = 86_400 * SECOND


@routes.one(Scope.READ, "/v1/overview", queries.Present, shapes.Overview)
def overview(ask: Ask[queries.Present]) -> shapes.Overview:
    """Counts by kind, source, state and outcome; those of the last day; when each source was heard last."""
    api, since = ask.api, ask.now - DAY
    built, status = api.current.is_built(), api.current.status()
    counted = _counted(api, api.reads.position_at(since)) if built else []
    return shapes.Overview(
        position=status.position,
        lag=status.lag,
        unbuilt=not built,
        newest=NEWEST,
        counts=[_shape(one, one.number) for one in counted],
        derived=shapes.LastDay(
            since=utc(since),
            counts=[_shape(one, one.recent) for one in counted if one.recent],
            sources=[health_of(api, name, status.position, ask.now) for name in api.source_names()],
        ),
    )


def _counted(api: Api, after: int) -> list[Counted]:
    versions = api.current.versions
    return [one for kind in KINDS for one in api.reads.counts(kind, versions, after)]


def _shape(one: Counted, count: int) -> shapes.Count:
    return shapes.Count(kind=one.kind, source=one.source, state=one.state, outcome=one.outcome, count=count)
