"""`/healthz`: the process answers. `/readyz`: the database answers, is migrated, and its log is folded."""

from typing import Any

import msgspec
from flask import Response
from msgspec import UNSET, UnsetType

from adapters.http.framework import queries
from adapters.http.framework.answers import SAFE_HEADERS, uncached
from adapters.http.framework.api import Api
from adapters.http.framework.problems import Busy
from adapters.http.framework.routes import OPEN, Ask, Routes
from adapters.http.ingest.door import Answer
from adapters.http.presenters import shapes
from adapters.sql import Unavailable, VersionStatus, is_served
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
"""The response of `/healthz` that a server sends itself, because all threads may be busy."""


class Folding(msgspec.Struct, kw_only=True):
    """A version of a machine's projections. `own`: this process reads and writes it.

    `status`: unbuilt, building, ready, serving, retired or dropping. `since` is when it began to serve, or its build
    began, by `built_by`. `waiting` counts streams that it has yet to fold, `failed` those that its code could not fold,
    which is a bug; `oldest` is when the oldest event that it has not folded was recorded.
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


class Replica(msgspec.Struct, kw_only=True):
    """The standby database that is queried instead of the primary. `status`: `ok` or `away`.

    `position`: its last one; `lag`: how many positions it is behind, unknown without the primary. `replayed_at`: when
    its last replayed transaction was committed on the primary; null if it replays nothing.
    """

    status: str
    position: int | None = None
    lag: int | None = None
    replayed_at: shapes.Time | None = None


class Spooled(msgspec.Struct, kw_only=True):
    """Deliveries of a source that wait in files for the log. `aside`: files with some that the log refuses."""

    source: str
    bytes: int
    oldest: shapes.Time | None
    aside: int


class Readiness(msgspec.Struct):
    """The service can accept deliveries and answer queries.

    `status`: `ok`; `unbuilt`: this release has not folded the log yet, so queries are answered from the log itself,
    more slowly; `faulty`: it cannot fold some streams; `retired`: other code serves, and this process answers with its
    own version until it is restarted with that release. `migrations`: the database's revision, perhaps a newer
    release's: this process works on until it is restarted. `position`: the log's last one. `lag`: how many positions
    the projections that this process reads are behind. `replica`: if one is configured. `spooled`: of sources that
    spool while the log cannot commit.
    """

    status: str
    database: str
    migrations: str
    position: int
    lag: int
    folding: list[Folding]
    replica: Replica | UnsetType = UNSET
    spooled: list[Spooled] | UnsetType = UNSET


@routes.one(OPEN, "/healthz", queries.Plain, Health, etag=False)
def healthz(_: Ask[Any]) -> Response:
    """Whether the process answers."""
    return uncached(Health("ok"))


@routes.one(OPEN, "/readyz", queries.Plain, Readiness, etag=False, primary=True)
def readyz(ask: Ask[Any]) -> Response:
    """Whether the service can work: 503 if the database is away, not migrated, or refuses writes.

    A read-only service does not test writes. A replica that is away is shown, and the primary is queried instead.
    """
    try:
        current, newest = ask.api.reads.revision()
        if not is_served(current, newest):
            raise Busy(f"the database is at migration {current}, this code knows {newest}: run the migrations")
        ask.api.probe()
        status = ask.api.current.status()
    except Unavailable as error:
        raise Busy(f"the database cannot be used now: {error}{_waiting(ask.api)}") from error
    own = [one for one in status.versions if one.own]
    word = "faulty" if any(one.failed for one in own) else "ok"
    if any(one.status in {"unbuilt", "building"} for one in own):
        word = "unbuilt"
    if word == "ok" and any(one.status == "retired" for one in own):
        word = "retired"
    told = [_folding(one) for one in status.versions]
    replica = _replica(ask.api, status.position)
    spooled = [
        Spooled(source=one.source, bytes=one.size, oldest=text_of(one.oldest_at), aside=one.aside)
        for one in ask.api.spools()
    ]
    return uncached(Readiness(word, "ok", current or "", status.position, status.lag, told, replica, spooled or UNSET))


def _waiting(api: Api) -> str:
    told = (
        f"; {one.source}: {one.size} bytes spooled since {text_of(one.oldest_at)}" for one in api.spools() if one.size
    )
    return "".join(told)


def _replica(api: Api, position: int) -> Replica | UnsetType:
    """The state of the replica, or of this service as one. `position`: the last one here."""
    try:
        if api.replica is None:
            replayed_at = None if api.writable else text_of(api.reads.replayed_at())
            return Replica(status="ok", position=position, replayed_at=replayed_at) if replayed_at else UNSET
        head, replayed_at = api.replica.reads.head(), text_of(api.replica.reads.replayed_at())
    except Unavailable:
        return Replica(status="away")
    return Replica(status="ok", position=head, lag=max(0, position - head), replayed_at=replayed_at)


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
