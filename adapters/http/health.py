"""`/healthz`: the process answers. `/readyz`: the database does, is migrated, and its log is folded."""

from typing import Any

import msgspec
from flask import Response

from adapters.http import queries
from adapters.http.answers import uncached
from adapters.http.folded import FINGERPRINTS
from adapters.http.problems import Busy
from adapters.http.routes import Ask, Routes

routes = Routes()


class Health(msgspec.Struct):
    """The process answers."""

    status: str


class Readiness(msgspec.Struct):
    """The service can take deliveries and answer questions.

    `position`: the log's last one. `lag`: by how many positions the projections are behind it.
    """

    status: str
    database: str
    migrations: str
    position: int
    lag: int


@routes.one("/healthz", queries.Plain, Health)
def healthz(_: Ask[Any]) -> Response:
    """Whether the process answers."""
    return uncached(Health("ok"))


@routes.one("/readyz", queries.Plain, Readiness)
def readyz(ask: Ask[Any]) -> Response:
    """Whether the service can do its work: 503 where the database is away or not migrated."""
    current, newest = ask.api.reads.revision()
    if current != newest:
        raise Busy(f"the database is at migration {current}, this code knows {newest}: run the migrations")
    position, lag = ask.api.reads.head(), ask.api.reads.lag(FINGERPRINTS)
    return uncached(Readiness("ok", "ok", current or "", position, lag))
