"""The composition root: what is wired with what. `create_app` is the WSGI application, `front` what Granian serves."""

import os
import time
from dataclasses import dataclass
from functools import partial

from flask import Flask
from granian import Granian
from granian.constants import Interfaces, RuntimeModes
from sqlalchemy import Engine

from adapters.cli import Commands, Serving, command_line
from adapters.config import ConfigError, Settings, load
from adapters.config import Source as Configured
from adapters.http import Api, Door, create_http, ingest_blueprint
from adapters.providers import TOLD_STATES, Provider, build, read_told, told
from adapters.server import Bridge, Front
from adapters.sql import (
    Entry,
    GroupCommit,
    Log,
    Projector,
    Reads,
    Source,
    claim,
    dialect_of,
    migrate,
    open_engine,
    revision,
)
from core import fold
from core.event import Instant, Reading, Unreadable
from core.ids import Ids

THREADS = 8
"""Threads of one process that answer queries."""


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Service:
    """One process's parts."""

    engine: Engine
    log: Log
    door: Door
    commit: GroupCommit
    flask: Flask

    def close(self) -> None:
        """Commits what was handed in, and lets the database go."""
        self.commit.close()
        self.log.close()
        self.engine.dispose()


def assemble(settings: Settings) -> Service:
    """Opens and migrates the database and wires the parts. Raises ConfigError where the two do not belong together."""
    engine = open_engine(settings.database_url, pool_size=THREADS)
    migrate(engine)
    ids = Ids(settings.service.key)
    _check_claims(engine, ids, settings)
    providers = {name: build(source) for name, source in settings.sources.items()}
    sources = {name: _source(providers[name], configured) for name, configured in settings.sources.items()}
    log = Log(engine, ids, Projector(dialect_of(engine), ids, sources), now)
    commit = GroupCommit(log.append)
    door = Door(providers, settings.service.max_body, now)
    api = Api(
        reads=Reads(engine),
        ids=ids,
        sources=sources,
        tell=partial(_tell, commit),
        clock=now,
        threads=THREADS,
    )
    flask = create_http(api)
    flask.register_blueprint(ingest_blueprint(door, commit.append))
    return Service(engine, log, door, commit, flask)


def create_app(settings: Settings) -> Flask:
    """The WSGI application: everything that the service answers, under any WSGI server."""
    return assemble(settings).flask


def front() -> Front:
    """The RSGI application of one worker process, from the environment's configuration."""
    service = assemble(load(None, os.environ))
    return Front(service.door, service.commit, Bridge(service.flask, THREADS))


def serve(settings: Settings, serving: Serving) -> None:
    """Serves until it is told to stop. What is wrong with the database is told here, before a process is started."""
    engine = open_engine(settings.database_url)
    migrate(engine)
    _check_claims(engine, Ids(settings.service.key), settings)
    engine.dispose()
    Granian(
        "app:front",
        address=serving.host,
        port=settings.port,
        interface=Interfaces.RSGI,
        workers=serving.processes,
        runtime_mode=RuntimeModes.st,
        factory=True,
        log_access=False,
        respawn_failed_workers=True,
        workers_kill_timeout=30,
    ).serve()


def _check_claims(engine: Engine, ids: Ids, settings: Settings) -> None:
    facts = {"secret": ids.fingerprint()}
    facts |= {f"source:{name}": source.provider for name, source in settings.sources.items()}
    for name, held in claim(engine, facts).items():
        if name == "secret":
            mend = "this database was made with another service secret: give it back, or begin with another database"
            raise ConfigError(settings.path, "service.secret", mend)
        key = f"sources.{name.removeprefix('source:')}.provider"
        raise ConfigError(settings.path, key, f"the log knows this source as {held}: choose another name for a new one")


def _source(provider: Provider, configured: Configured) -> Source:
    settings = fold.Settings(configured.package_name, configured.overdue_after, configured.presumed_ended_after)
    return Source(configured.provider, provider.machine_of, partial(_read, provider), settings)


def _read(provider: Provider, kind: str | None, body: bytes) -> Reading | Unreadable:
    return read_told(body) if kind in TOLD_STATES else provider.read(body)


def _tell(
    commit: GroupCommit, *, source: str, key: str, action_id: str, state: str, occurred_at: Instant
) -> tuple[str, int]:
    body = told(action_id, state, occurred_at)
    entry = Entry(source, now(), [("idempotency-key", key)], body, None, b"told:" + key.encode(), read_told(body))
    receipt = commit.append(entry)
    return receipt.verdict, receipt.position


def main() -> None:
    """The command line."""
    command_line(Commands(serve=serve, migrate=_migrate, revision=_revision))()


def _migrate(url: str) -> None:
    migrate(open_engine(url))


def _revision(url: str) -> tuple[str | None, str | None]:
    return revision(open_engine(url))
