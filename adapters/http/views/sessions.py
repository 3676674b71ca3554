"""`/v1/sessions`: sessions of glasses and measurements, with their events, timelines and runs."""

from flask import Response

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, Routes, page_of
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of
from adapters.http.presenters.compare import compare_stream
from adapters.http.presenters.funnels import sessions_of_visits
from adapters.http.presenters.stream_resource import common, listed, one, runs_of, state_of, wanted
from adapters.http.presenters.timelines import FORMS, answer, page_of_timeline, timeline, title_of
from adapters.http.presenters.why import why_stream
from adapters.http.views.events import events_of
from adapters.sql import Projected
from core.event import Instant
from core.states.state import Run

routes = Routes()

NEWEST_RUNS = 20
"""The most runs that a session shows. `/runs` pages through all."""


@routes.many(Scope.READ, "/v1/sessions", queries.Sessions, shapes.Session)
def sessions(ask: Ask[queries.Sessions]) -> Listing[shapes.Session]:
    """Sessions, the newest first. By `ended_by` or `last_step` a page may hold few, even none, with more to follow."""
    asked = wanted(ask, "session", name=ask.query.session_id or None)
    if not (ask.query.ended_by or ask.query.last_step):
        return listed(ask, asked, row_shape)
    rows, following = sessions_of_visits(ask, asked)
    return Listing([row_shape(ask.api, row, ask.now) for row in rows], following)


@routes.one(Scope.READ, "/v1/sessions/{id}", queries.One, shapes.Session)
def session(ask: Ask[queries.One]) -> shapes.Session:
    """One session."""
    return shape(ask.api, one(ask, "session"), ask.now)


@routes.many(Scope.READ, "/v1/sessions/{id}/events", queries.StreamEvents, shapes.Event)
def session_events(ask: Ask[queries.StreamEvents]) -> Listing[shapes.Event]:
    """A session's events as they were recorded, by position."""
    row = one(ask, "session")
    return events_of(ask, [(row.source, row.stream)])


@routes.many(Scope.READ, "/v1/sessions/{id}/timeline", queries.Timeline, shapes.Step, also=FORMS)
def session_timeline(ask: Ask[queries.Timeline]) -> Listing[shapes.Step] | Response:
    """What each of a session's events did, in canonical order: from, to, by which rule, or why nothing moved."""
    row = one(ask, "session")
    if (page := page_of_timeline(ask, row)) is not None:
        return page
    return answer(ask, title_of(row, state_of(row).state), timeline(ask, row), lambda: why_stream(ask, row).sentence)


@routes.one(Scope.READ, "/v1/sessions/{id}/why", queries.Why, shapes.Why)
def session_why(ask: Ask[queries.Why]) -> shapes.Why:
    """Why a session is in its state: the chain of events, what did not move it, what it waits for."""
    return why_stream(ask, one(ask, "session"))


@routes.one(Scope.READ, "/v1/sessions/{id}/compare", queries.Compare, shapes.Compared)
def session_compare(ask: Ask[queries.Compare]) -> shapes.Compared:
    """What we learnt about a session between two times, and from which events."""
    return compare_stream(ask, "session", shape)


@routes.many(Scope.READ, "/v1/sessions/{id}/runs", queries.TimedListed, shapes.Run)
def session_runs(ask: Ask[queries.TimedListed]) -> Listing[shapes.Run]:
    """A session's runs, the first one first."""
    row, limit, after = one(ask, "session"), ask.query.limit, ask.after or 0
    found = _runs_behind(ask, row, after, limit + 1)
    if found is None:  # the rows are being rewritten
        row = ask.api.as_of.stream(row.stream, clocks_of(ask) or ask.api.as_of.clocks()) or row
        found = [run for run in _held(row) if run.run > after]
    page, following = page_of(found[: limit + 1], limit, lambda run: run.run)
    return Listing(runs_of(page), following)


def _held(row: Projected) -> list[Run]:
    """The runs in a snapshot: the newest ones, or all if the log was folded for the request."""
    state = state_of(row)
    return [*state.over, *state.runs]


def _runs_behind(ask: Ask[queries.TimedListed], row: Projected, after: int, limit: int) -> list[Run] | None:
    """A session's first runs after a number, at least `limit` if there are; None if they belong to another fold than
    its state.
    """
    held = _held(row)
    before = state_of(row).run - len(held)
    found = ask.api.reads.runs(row, after, before, limit) if after < before else []
    return None if found is None else found + [run for run in held if run.run > after]


def row_shape(api: Api, row: Projected, now: Instant) -> shapes.Session:
    """A session as an item of a list, with only its last run."""
    return shape(api, row, now, runs=1)


def shape(api: Api, row: Projected, now: Instant, *, runs: int = NEWEST_RUNS) -> shapes.Session:
    """A session as returned by the API, with its newest `runs`."""
    state = state_of(row)
    return shapes.Session(
        **common(api, row, state, now),
        session_id=row.provider_id,
        user_id=state.user_id,
        regions=state.regions,
        run=state.run,
        run_count=state.run,
        runs=runs_of(state.runs[-runs:]),
        data=state.data,
    )
