"""`/v1/replays`: what a replay with this release's code would change, and the replay once it is confirmed.

`/v1/versions`: the versions that replays have built, which one serves, and rollback.
"""

from typing import Any

import msgspec

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.problems import Conflict, NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, listing_of
from adapters.http.presenters import shapes
from adapters.sql import Difference, Plan, Plans, ReplayRefused, VersionStatus
from core.folding.fold import MACHINES
from core.instants import text_of, utc

routes = Routes()


class ReplayRequest(msgspec.Struct, forbid_unknown_fields=True):
    """The machines to replay; none: those whose serving version is not this release's, else all."""

    machines: list[str] = []


class Confirmation(msgspec.Struct, forbid_unknown_fields=True):
    """No fields."""


class ListedReplays(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Replays, in pages."""

    limit: queries.Limit = 20
    cursor: queries.Cursor = msgspec.UNSET


class PlannedReplay(msgspec.Struct, kw_only=True):
    """A replay. `status`: planning, planned, replaying, done or failed. `changes`: what it would change, once planned.

    `by` is the working process. The next replay resumes an interrupted one.
    """

    id: str
    asked_at: shapes.Time
    machines: list[str]
    status: str
    by: str
    changes: Difference | None
    error: str | None


class FoldedVersion(msgspec.Struct, kw_only=True):
    """A version of a machine's projections. `status`: unbuilt, building, ready, serving, retired or dropping.

    `own`: it belongs to this service's code. `folded`: streams that its build has folded; `waiting`: its dirty streams;
    `failed`: those that its code could not fold. `oldest`: the position of the oldest event that it has not folded;
    null if none.
    """

    machine: str
    version: str
    status: str
    own: bool
    built_by: str | None
    started_at: shapes.Time | None
    switched_at: shapes.Time | None
    folded: int
    waiting: int
    failed: int
    oldest: int | None


@routes.many(Scope.READ, "/v1/versions", ListedReplays, FoldedVersion, whole=True)
def versions(ask: Ask[ListedReplays]) -> Listing[FoldedVersion]:
    """Every version of every machine."""
    found = [_version(one) for one in ask.api.current.status().versions]
    return listing_of(found, ask.query.limit, ask.after, lambda one: [one.machine, one.version])


@routes.post(
    Scope.ACT,
    "/v1/versions/{version}/serve",
    Confirmation,
    FoldedVersion,
    whole=True,
    problems={"409": "It is not built, or serves already, or a replay is at work."},
    unhurried=True,
)
def serve_version(ask: Ask[queries.Plain], _: Confirmation) -> FoldedVersion:
    """Makes a built version serve: the previous one, or one that was built without a switch."""
    name = ask.path["version"]
    if name not in {one.version for one in ask.api.current.status().versions}:
        raise NotFound("no such version")
    try:
        _plans(ask).serve(name, ask.who)
    except ReplayRefused as error:
        raise Conflict(str(error)) from error
    return next(_version(one) for one in ask.api.current.status().versions if one.version == name)


@routes.many(Scope.READ, "/v1/replays", ListedReplays, PlannedReplay, whole=True)
def replays(ask: Ask[ListedReplays]) -> Listing[PlannedReplay]:
    """Replays requested over HTTP, the newest first."""
    found = [shape(plan) for plan in _plans(ask).newest()]
    return listing_of(found, ask.query.limit, ask.after, lambda plan: plan.id)


@routes.post(
    Scope.ACT,
    "/v1/replays",
    ReplayRequest,
    PlannedReplay,
    whole=True,
    problems={"409": "Another one is at work: one at a time."},
)
def plan_replay(ask: Ask[queries.Plain], wish: ReplayRequest) -> PlannedReplay:
    """Starts to compute what a replay would change. Projections stay unchanged until it is confirmed."""
    unknown = sorted({*wish.machines} - {*MACHINES})
    if unknown:
        raise NotFound(f"no machine {unknown[0]}; there are {', '.join(sorted(MACHINES))}")
    try:
        return shape(_plans(ask).plan(wish.machines))
    except ReplayRefused as error:
        raise Conflict(str(error)) from error


@routes.one(Scope.READ, "/v1/replays/{id}", queries.Plain, PlannedReplay, whole=True)
def planned_replay(ask: Ask[queries.Plain]) -> PlannedReplay:
    """A replay, and what it would change."""
    return shape(_known(_plans(ask).get(ask.path["id"])))


@routes.post(
    Scope.ACT,
    "/v1/replays/{id}/confirm",
    Confirmation,
    PlannedReplay,
    whole=True,
    problems={"409": "It is not planned any more, or not yet, or another one is at work."},
)
def confirm_replay(ask: Ask[queries.Plain], _: Confirmation) -> PlannedReplay:
    """Starts a planned replay, which switches to the new version at its end."""
    try:
        return shape(_known(_plans(ask).confirm(ask.path["id"], ask.who)))
    except ReplayRefused as error:
        raise Conflict(str(error)) from error


def shape(plan: Plan) -> PlannedReplay:
    """Converts a plan to its representation in the API."""
    return PlannedReplay(
        id=plan.id,
        asked_at=utc(plan.asked_at),
        machines=plan.machines.split(),
        status=plan.status,
        by=plan.told_by,
        changes=plan.difference(),
        error=plan.error,
    )


def _version(one: VersionStatus) -> FoldedVersion:
    return FoldedVersion(
        machine=one.machine,
        version=one.version,
        status=one.status,
        own=one.own,
        built_by=one.built_by,
        started_at=text_of(one.started_at),
        switched_at=text_of(one.switched_at),
        folded=one.folded,
        waiting=one.waiting,
        failed=one.failed,
        oldest=one.oldest,
    )


def _plans(ask: Ask[Any]) -> Plans:
    if ask.api.plans is None:
        raise NotFound("this service replays from its command line only")
    return ask.api.plans


def _known(plan: Plan | None) -> Plan:
    if plan is None:
        raise NotFound("no such replay")
    return plan
