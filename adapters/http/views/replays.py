"""`/v1/replays`: what a replay with this release's code would change, and the replay once somebody has said yes."""

from typing import Any

import msgspec

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.problems import Conflict, NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, listing_of
from adapters.http.presenters import shapes
from adapters.sql import Difference, Plan, Plans, ReplayRefused
from core.fold import MACHINES
from core.instants import utc

routes = Routes()


class Wish(msgspec.Struct, forbid_unknown_fields=True):
    """The machines to replay; none: those that this release's code does not serve yet, else all."""

    machines: list[str] = []


class Yes(msgspec.Struct, forbid_unknown_fields=True):
    """Nothing more is to be said."""


class ListedReplays(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Replays, in pages like every list."""

    limit: queries.Limit = 20
    cursor: queries.Cursor = msgspec.UNSET


class PlannedReplay(msgspec.Struct, kw_only=True):
    """A replay. `status`: planning, planned, replaying, done or failed. `changes`: what it would change, once planned.

    `by` is the process at work. A replay that was cut off goes on with the next one, from where it stood.
    """

    id: str
    asked_at: shapes.Time
    machines: list[str]
    status: str
    by: str
    changes: Difference | None
    error: str | None


@routes.many(Scope.READ, "/v1/replays", ListedReplays, PlannedReplay)
def replays(ask: Ask[ListedReplays]) -> Listing[PlannedReplay]:
    """Replays that were asked for over HTTP, the newest first."""
    found = [shape(plan) for plan in _plans(ask).newest()]
    return listing_of(found, ask.query.limit, ask.after, lambda plan: plan.id)


@routes.post(
    Scope.ACT,
    "/v1/replays",
    Wish,
    PlannedReplay,
    headers={},
    query=queries.Plain,
    problems={"409": "Another one is at work: one at a time."},
)
def plan_replay(ask: Ask[queries.Plain], wish: Wish) -> PlannedReplay:
    """Begins to work out what a replay would change. Nothing of the projections is written until it is confirmed."""
    unknown = sorted({*wish.machines} - {*MACHINES})
    if unknown:
        raise NotFound(f"no machine {unknown[0]}; there are {', '.join(sorted(MACHINES))}")
    try:
        return shape(_plans(ask).plan(wish.machines))
    except ReplayRefused as error:
        raise Conflict(str(error)) from error


@routes.one(Scope.READ, "/v1/replays/{id}", queries.Plain, PlannedReplay)
def planned_replay(ask: Ask[queries.Plain]) -> PlannedReplay:
    """A replay, and what it would change."""
    return shape(_known(_plans(ask).get(ask.path["id"])))


@routes.post(
    Scope.ACT,
    "/v1/replays/{id}/confirm",
    Yes,
    PlannedReplay,
    headers={},
    query=queries.Plain,
    problems={"409": "It is not planned any more, or not yet, or another one is at work."},
)
def confirm_replay(ask: Ask[queries.Plain], _: Yes) -> PlannedReplay:
    """Begins a planned replay, which switches to what it has folded in the end."""
    try:
        return shape(_known(_plans(ask).confirm(ask.path["id"], ask.who)))
    except ReplayRefused as error:
        raise Conflict(str(error)) from error


def shape(plan: Plan) -> PlannedReplay:
    """A replay as it is told."""
    return PlannedReplay(
        id=plan.id,
        asked_at=utc(plan.asked_at),
        machines=plan.machines.split(),
        status=plan.status,
        by=plan.told_by,
        changes=plan.difference(),
        error=plan.error,
    )


def _plans(ask: Ask[Any]) -> Plans:
    if ask.api.plans is None:
        raise NotFound("this service replays from its command line only")
    return ask.api.plans


def _known(plan: Plan | None) -> Plan:
    if plan is None:
        raise NotFound("no such replay")
    return plan
