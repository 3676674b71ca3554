"""The components of which every process of a service is assembled."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from secrets import token_hex
from typing import Any, NamedTuple

import structlog
from flask import Flask
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine

from adapters.audit import CheckpointSigner, CurrentKey, Sealer
from adapters.config import ConfigError, Forward, Settings
from adapters.config import Source as Configured
from adapters.console import console
from adapters.http import Api, Door, create_http, ingest_blueprint, questions_of, report_action
from adapters.providers import Provider, build, reader
from adapters.sql import (
    NOBODY,
    BackgroundFolding,
    Code,
    Entry,
    Keeper,
    Log,
    Noted,
    Plans,
    Presence,
    Probe,
    Reads,
    Receipt,
    Recorder,
    Rejection,
    Replay,
    Source,
    Tree,
    Unavailable,
    WrongAddress,
    claimed_sources,
    files_at,
    is_read_only,
    keeper,
    open_engine,
    probe,
)
from core.event import SECOND, Instant
from core.folding import fold
from core.ids import Ids
from core.views.completeness import SOURCE_SILENT_AFTER
from wiring.monitor import Monitor
from wiring.signing import signing_key
from wiring.spools import SpoolStates, drained

Append = Callable[[Entry | Rejection | Probe], Receipt]

THREADS = 8
"""The threads of one process that answer queries."""

REPLAYED_WITHIN = 1.0
"""Seconds for a replica to reach a position. After them the primary is queried."""

TYPED = "command line"
"""The origin in the log of operations by commands."""


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000


class ProcessInput(NamedTuple):
    """The input from which another process of the service is assembled."""

    settings: Settings
    files: Noted | None
    secrets_changed: Mapping[str, Instant]
    read_only: bool
    holder: str
    spooled_as: str = ""

    def complete(self) -> "ProcessInput":
        """Returns a copy with the database files. Call it after a process has opened the database."""
        return self._replace(files=files_at(self.settings.database_url))


@dataclass(frozen=True, slots=True)
class Components:
    """The components of a process. `replica` is the database for queries, if there is one. `signing` is the key that
    all signers in this process share.

    `secrets_changed` is when the secrets of each source last changed, if known. `holder` is the name under which the
    relay process leases deliveries; all processes of a service have the same, so a successor can release its
    predecessor's leases. `spooled_as` is the name of the log's spools.
    """

    settings: Settings
    engine: Engine
    replica: Engine | None
    ids: Ids
    providers: Mapping[str, Provider]
    sources: Mapping[str, Source]
    signing: CurrentKey
    secrets_changed: Mapping[str, Instant] = field(default_factory=dict)
    holder: str = field(default_factory=partial(token_hex, 16))
    spooled_as: str = ""

    def close(self) -> None:
        """Closes the databases."""
        self.engine.dispose()
        if self.replica is not None:
            self.replica.dispose()

    def handed(self) -> ProcessInput:
        """Returns the input for a child process.

        Its `files` is None until a process has opened the database; see `ProcessInput.complete`.
        """
        return ProcessInput(self.settings, None, self.secrets_changed, self.read_only, self.holder, self.spooled_as)

    def code(self) -> Code:
        """The machines, sources and ids with which this process folds."""
        return Code(self.ids, self.sources)

    def log(self) -> Log:
        """The log for appends."""
        return Log(self.engine, self.code(), now)

    @property
    def read_only(self) -> bool:
        """Whether the database is a standby or opened read-only."""
        return is_read_only(self.engine)

    def recorder(self, log: Log, through: str = TYPED) -> Recorder:
        """Records operations in the log."""
        return Recorder(_refuse if self.read_only else lambda entry: log.append([entry])[0], now, through)

    def access(self, log: Log) -> Callable[..., int]:
        """The record of access to the log: in the log, or as a log line if the database is read-only."""
        return note_access if self.read_only else self.recorder(log).record

    def keeper(self, log: Log) -> Keeper:
        """Erasure and retraction, recorded as done by the command line."""
        return keeper(self.engine, self.code(), log, now, TYPED)

    def replay(self, record: Callable[..., Any] | None = None, helpers: int = 0) -> Replay:
        """Replays, also for sources that are no longer configured.

        `helpers` is the number of further processes that fold: none if this process has threads or others serve.
        """
        claimed = claimed_sources(self.engine).items()
        gone = {name: Configured(name, provider) for name, provider in claimed if name not in self.sources}
        sources = {name: source_of(build(source), source) for name, source in gone.items()}
        return Replay(self.engine, Code(self.ids, {**sources, **self.sources}), now, record=record, helpers=helpers)

    @property
    def patience(self) -> float:
        """Seconds for a delivery to be committed before it gets 503."""
        return self.settings.service.answer_within / SECOND

    def door(self) -> Door:
        """The ingest door."""
        proxied, relayed = self.forwards("proxy").keys(), self.forwards("relay").keys()
        hosts = {name: one.allowed_websocket_hosts for name, one in self.settings.sources.items()}
        return Door(
            self.providers,
            self.settings.service.max_body,
            now,
            proxied,
            relayed,
            hosts,
            self.secrets_changed,
            self.settings.paths,
        )

    def closed_door(self) -> Door:
        """Returns an ingest door without sources, which accepts no delivery."""
        return Door({}, self.settings.service.max_body, now)

    def forwards(self, *modes: str) -> dict[str, Forward]:
        """The handlers of sources in one of these modes, by source."""
        sources = self.settings.sources.items()
        return {name: one.forward for name, one in sources if one.forward is not None and one.forward.mode in modes}

    def signer(self) -> CheckpointSigner:
        """The signer of the log."""
        return CheckpointSigner(Tree(self.engine), self.signing)

    def needs_relay_process(self) -> bool:
        """Whether a relay process is needed: a source is relayed or reconciled, or there is a spool."""
        polled = (one.polling for one in self.settings.sources.values())
        polls = any(one is not None and one.every is not None for one in polled)
        return polls or bool(self.forwards("relay")) or bool(drained(self.settings, self.ids, self.spooled_as))

    def presence(self) -> Presence:
        """A thread that registers the service in its database."""
        return Presence(self.engine, version("hookfold"), fold.MACHINES, now)

    def sealer(self) -> Sealer:
        """The thread that extends the tree and signs checkpoints."""
        return Sealer(self.signer(), self.settings.service.checkpoint_every / SECOND)

    def folding(self) -> BackgroundFolding:
        """The thread that folds long streams."""
        return BackgroundFolding(self.engine, self.code())

    def monitor(self) -> Monitor:
        """The thread that logs missing events."""
        return Monitor(Reads(self.engine), self.code(), now)

    def flask(self, door: Door, append: Append, registry: CollectorRegistry | None = None) -> Flask:
        """The Flask application. `append` returns after the commit. `registry` has the metrics."""
        return self.http(self.api(append, registry), door, append)

    def api(self, append: Append, registry: CollectorRegistry | None = None) -> Api:
        """The dependencies of the query API."""
        recorder = Recorder(append, now, "http")
        made = Api(
            reads=Reads(self.engine),
            ids=self.ids,
            sources=self.sources,
            tell=partial(report_action, append, now),
            record=recorder.record,
            clock=now,
            threads=THREADS,
            relayed=self.forwards("relay").keys(),
            spools=SpoolStates(self.settings, self.ids, self.spooled_as),
            signer=self.signer(),
            probe=partial(probe, append),
            plans=Plans(self.engine, lambda by: self.replay(partial(recorder.record, by=by)), now),
            tokens=self.settings.tokens,
            registry=registry or CollectorRegistry(),
            base_url=self.settings.service.base_url or "",
        )
        return made if self.replica is None else replace(made, replica=self._over(self.replica, made))

    def _over(self, replica: Engine, made: Api) -> Api:
        signer = CheckpointSigner(Tree(replica), self.signing)
        plans = made.plans and made.plans.read_from(replica)
        return replace(made, reads=Reads(replica), signer=signer, plans=plans, patience=REPLAYED_WITHIN)

    def reading_api(self, registry: CollectorRegistry | None = None) -> Api:
        """Returns the dependencies of the query API of a read-only service.

        Access to the log is recorded by a line in the service's log.
        """
        made = self.api(_refuse, registry)
        return replace(made, record=note_access, probe=bool, writable=False)

    def http(self, api: Api, door: Door, append: Append) -> Flask:
        """The Flask application for an existing Api."""
        for counter in door.counters:
            api.registry.register(counter)
        flask = create_http(api)
        flask.register_blueprint(ingest_blueprint(door, append))
        first = partial(first_commands, self.settings) if api.writable else list
        flask.register_blueprint(console(questions_of(api), self.ids.subkey("console"), api.holders, first))
        return flask


def wire(settings: Settings, engine: Engine, process: str = "") -> Components:
    """Assembles the components without a database query, since the database may be away.

    `process` is the name of this process in a replica's sessions; empty for a command.
    """
    providers = {name: build(source) for name, source in settings.sources.items()}
    sources = {name: source_of(providers[name], configured) for name, configured in settings.sources.items()}
    replica = None if is_read_only(engine) else _replica(settings, process)
    signing = CurrentKey(signing_key(settings))
    return Components(settings, engine, replica, Ids(settings.service.key), providers, sources, signing)


def _replica(settings: Settings, process: str) -> Engine | None:
    """The replica's engine, not connected yet. Raises ConfigError if the URL is invalid."""
    named = settings.service.read_database_url
    try:
        if named is None:
            return None
        return open_engine(named.value, pool_size=THREADS, read_only=True, name=_session_name(process))
    except WrongAddress as error:
        raise ConfigError(settings.path, "service.read_database_url", str(error)) from error


def wire_handed(handed: ProcessInput, process: str, *, keeps: bool = False) -> Components:
    """Assembles the components of a child process from its input.

    With `keeps`, the process holds the database files open. `process` is the name of this process in PostgreSQL's
    sessions.
    """
    engine = open_engine(
        handed.settings.database_url,
        pool_size=THREADS,
        noted=handed.files,
        keeps=keeps,
        make=False,
        read_only=handed.read_only,
        name=_session_name(process),
    )
    return replace(
        wire(handed.settings, engine, process),
        secrets_changed=handed.secrets_changed,
        holder=handed.holder,
        spooled_as=handed.spooled_as,
    )


def _session_name(process: str) -> str:
    return f"hookfold-{process}" if process else "hookfold"


def note_access(kind: str, /, by: str | None = None, hourly: str | None = None, **what: Any) -> int:  # noqa: ARG001 - each time is a line
    """Logs a line instead of an event of our own, with the same fields. Returns 0, since it has no position."""
    structlog.get_logger("access").info(kind, by=by or NOBODY, **what)
    return 0


def _refuse(_: Entry | Rejection | Probe) -> Receipt:
    raise Unavailable("it is a standby, which takes no writes: name the database that it follows")


def source_of(provider: Provider, configured: Configured) -> Source:
    """A configured source as the log needs it."""
    settings = fold.Settings(configured.package_name, configured.overdue_after, configured.presumed_ended_after)
    silent_after = configured.silent_after or SOURCE_SILENT_AFTER
    return Source(configured.provider, provider.machine_of, reader(provider), settings, silent_after)


def first_commands(settings: Settings) -> list[str]:
    """Commands that make a first webhook appear: a signed `curl`, and a `simulate`. None without sources."""
    from adapters.simulator import FIRST, first_curl  # asked for while the log is empty, and never again

    sources = sorted(settings.sources.values(), key=lambda source: list(FIRST).index(source.provider))
    if not sources:
        return []
    one, base = sources[0], settings.base
    secret = one.secrets[0].value if one.secrets else None
    curl = first_curl(base, one.path, one.provider, secret, one.package_name, now() / SECOND)
    return [curl.strip(), f"HOOKFOLD_PORT={settings.port} hookfold simulate --source {one.name}"]
