"""`/v1/sessions`: of glasses and of measurements, folded, with their events, their timeline, their runs."""

from typing import Any

from adapters.http import queries, shapes
from adapters.http.api import Api
from adapters.http.events import events_of
from adapters.http.folded import common, listed, one, state_of, wanted
from adapters.http.routes import Ask, Listing, Routes, listing_of
from adapters.http.timelines import position_of, timeline
from adapters.http.times import text_of
from adapters.http.why import why_stream
from adapters.sql import Projected
from core.event import Instant

routes = Routes()


@routes.many("/v1/sessions", queries.Sessions, shapes.Session)
def sessions(ask: Ask[queries.Sessions]) -> Listing[shapes.Session]:
    """Sessions, the newest first."""
    return listed(ask, wanted(ask, "session", name=ask.query.session_id or None), shape)


@routes.one("/v1/sessions/{id}", queries.One, shapes.Session)
def session(ask: Ask[queries.One]) -> shapes.Session:
    """One session."""
    return shape(ask.api, one(ask, "session"), ask.now)


@routes.many("/v1/sessions/{id}/events", queries.StreamEvents, shapes.Event)
def session_events(ask: Ask[queries.StreamEvents]) -> Listing[shapes.Event]:
    """A session's events as they were recorded, by position."""
    row = one(ask, "session")
    return events_of(ask, [(row.source, row.stream)])


@routes.many("/v1/sessions/{id}/timeline", queries.TimedListed, shapes.Step)
def session_timeline(ask: Ask[queries.TimedListed]) -> Listing[shapes.Step]:
    """What each of a session's events did, in canonical order: from, to, by which rule, or why nothing moved."""
    return listing_of(timeline(ask, one(ask, "session")), ask.query.limit, ask.after, position_of)


@routes.one("/v1/sessions/{id}/why", queries.One, shapes.Why)
def session_why(ask: Ask[queries.One]) -> shapes.Why:
    """Why a session is in its state: the chain of events, what did not move it, what it waits for."""
    return why_stream(ask, one(ask, "session"))


@routes.many("/v1/sessions/{id}/runs", queries.TimedListed, shapes.Run)
def session_runs(ask: Ask[queries.TimedListed]) -> Listing[shapes.Run]:
    """A session's runs, the first one first."""
    state = state_of(one(ask, "session"))
    return listing_of(runs_of(state), ask.query.limit, ask.after, lambda run: run.run)


def shape(api: Api, row: Projected, now: Instant) -> shapes.Session:
    """A session as it is told."""
    state = state_of(row)
    return shapes.Session(
        **common(api, row, state, now),
        session_id=row.provider_id,
        user_id=state.user_id,
        regions=state.regions,
        run=state.run,
        runs=runs_of(state),
        data=state.data,
    )


def runs_of(state: Any) -> list[shapes.Run]:
    """The runs of a folded state."""
    return [
        shapes.Run(
            run=run.run,
            started_at=text_of(run.started_at),
            ended_at=text_of(run.ended_at),
            ended_by=run.ended_by,
            reason=run.reason,
            duration_s=run.duration_s,
            restarted=run.restarted,
        )
        for run in state.runs
    ]
