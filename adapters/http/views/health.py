"""`/healthz`: the process answers. `/readyz`: the database does, is migrated, and its log is folded."""

from typing import Any

import msgspec
from flask import Response

from adapters.http.framework import queries
from adapters.http.framework.answers import SAFE_HEADERS, uncached
from adapters.http.framework.problems import Busy
from adapters.http.framework.routes import OPEN, Ask, Routes
from adapters.http.ingest.door import Answer
from adapters.http.presenters import shapes
from adapters.sql import Unavailable, VersionStatus
from core.instants import text_of

routes = Routes()


class Health(msgspec.Struct):
    """The process answers."""

    status: str


ALIVE = Answer(
    200,
    [("content-type", "application/json"), *((name.lower(), value) for name, value in SAFE_HEADERS.items())],
    msgspec.json.encode(Health("ok")),
)
"""The answer of `/healthz` as a server gives it by itself: threads that answer questions may all be busy."""


class Folding(msgspec.Struct, kw_only=True):
    """A version of a machine's projections. `own`: this process reads and writes it.

    `status`: unbuilt, building, ready, serving, retired or dropping. `since` is when it came to serve, or its build
    began, by `built_by`. `waiting` counts streams that it has to catch up with, `failed` those that its code could not
    fold, which is a fault of ours; `oldest` is when the oldest event that it has not folded was recorded.
    """

    machine: str
    version: str
    own: bool
    status: str
    since: shapes.Time | None
    built_by: str | None
    waiting: int
    failed: int
    oldest: shapes.Time | None


class Readiness(msgspec.Struct):
    """The service can take deliveries and answer questions.

    `status`: `ok`; `unbuilt` where this release has not folded the log yet, so that questions are answered from the log
    itself, more slowly; `faulty` where it cannot fold some streams; `retired` where other code serves, and this process
    answers with its own version until it is restarted with that release. `position`: the log's last one. `lag`: by how
    many positions the projections that this process reads are behind it.
    """

    status: str
    database: str
    migrations: str
    position: int
    lag: int
    folding: list[Folding]


@routes.one(OPEN, "/healthz", queries.Plain, Health, etag=False)
def healthz(_: Ask[Any]) -> Response:
    """Whether the process answers."""
    return uncached(Health("ok"))


@routes.one(OPEN, "/readyz", queries.Plain, Readiness, etag=False)
def readyz(ask: Ask[Any]) -> Response:
    """Whether the service can do its work: 503 where the database is away, not migrated, or takes no writes."""
    try:
        current, newest = ask.api.reads.revision()
        if current != newest:
            raise Busy(f"the database is at migration {current}, this code knows {newest}: run the migrations")
        ask.api.probe()
        status = ask.api.current.status()
    except Unavailable as error:
        raise Busy(f"the database cannot be used now: {error}") from error
    own = [one for one in status.versions if one.own]
    word = "faulty" if any(one.failed for one in own) else "ok"
    if any(one.status in {"unbuilt", "building"} for one in own):
        word = "unbuilt"
    if word == "ok" and any(one.status == "retired" for one in own):
        word = "retired"
    told = [_folding(one) for one in status.versions]
    return uncached(Readiness(word, "ok", current or "", status.position, status.lag, told))


def _folding(one: VersionStatus) -> Folding:
    return Folding(
        machine=one.machine,
        version=one.version,
        own=one.own,
        status=one.status,
        since=text_of(one.started_at if one.status == "building" else one.switched_at),
        built_by=one.built_by,
        waiting=one.waiting,
        failed=one.failed,
        oldest=text_of(one.oldest_at),
    )
