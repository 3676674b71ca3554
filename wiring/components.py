"""What every process of a service is put together from."""

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
"""Threads of one process that answer queries."""

REPLAYED_WITHIN = 1.0
"""Seconds for a replica to come to a position; behind them the database that is written is asked."""

TYPED = "command line"
"""How the log tells that a command did it."""


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000


class ProcessInput(NamedTuple):
    """What another process of the service is wired from."""

    settings: Settings
    files: Noted | None
    secrets_changed: Mapping[str, Instant]
    read_only: bool
    holder: str
    spooled_as: str = ""

    def complete(self) -> "ProcessInput":
        """With the files of the database, which a process has opened."""
        return self._replace(files=files_at(self.settings.database_url))


@dataclass(frozen=True, slots=True)
class Components:
    """What every process of a service has, whether it serves or writes. `replica`: where questions are put.
    `signing`: the key that all of them in this process sign with.

    `secrets_changed`: when those of a source changed last, as far as that is known. `holder`: by which the process
    that delivers takes over what one before it held. It is made with the service, whose processes all have the same.
    `spooled_as`: what the log's spools are named after, known from the start on.
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
        """Lets go of the databases."""
        self.engine.dispose()
        if self.replica is not None:
            self.replica.dispose()

    def handed(self) -> ProcessInput:
        """What another process of the service is wired from, but for the files that the first of them opens."""
        return ProcessInput(self.settings, None, self.secrets_changed, self.read_only, self.holder, self.spooled_as)

    def code(self) -> Code:
        """What folds here."""
        return Code(self.ids, self.sources)

    def log(self) -> Log:
        """The writer's side of the log."""
        return Log(self.engine, self.code(), now)

    @property
    def read_only(self) -> bool:
        """Whether nothing can be recorded here: it is a standby, or is only read."""
        return is_read_only(self.engine)

    def recorder(self, log: Log, through: str = TYPED) -> Recorder:
        """Records in the log what is done with it."""
        return Recorder(_refuse if self.read_only else lambda entry: log.append([entry])[0], now, through)

    def access(self, log: Log) -> Callable[..., int]:
        """Records what was taken out of the log: in it, or in a line where nothing can be recorded."""
        return note_access if self.read_only else self.recorder(log).record

    def keeper(self, log: Log) -> Keeper:
        """What erases, retracts, and records what the command line did."""
        return keeper(self.engine, self.code(), log, now, TYPED)

    def replay(self, record: Callable[..., Any] | None = None, helpers: int = 0) -> Replay:
        """What builds projections anew, also of sources that the configuration no longer names.

        `helpers`: processes that fold too; none where others serve meanwhile, or where this process has threads.
        """
        claimed = claimed_sources(self.engine).items()
        gone = {name: Configured(name, provider) for name, provider in claimed if name not in self.sources}
        sources = {name: source_of(build(source), source) for name, source in gone.items()}
        return Replay(self.engine, Code(self.ids, {**sources, **self.sources}), now, record=record, helpers=helpers)

    @property
    def patience(self) -> float:
        """Seconds in which a delivery is committed, or answered with 503."""
        return self.settings.service.answer_within / SECOND

    def door(self) -> Door:
        """What deliveries come through."""
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
        """One that knows no source: no delivery comes through."""
        return Door({}, self.settings.service.max_body, now)

    def forwards(self, *modes: str) -> dict[str, Forward]:
        """The sources whose deliveries go on to handlers of their own, in one of these modes."""
        sources = self.settings.sources.items()
        return {name: one.forward for name, one in sources if one.forward is not None and one.forward.mode in modes}

    def signer(self) -> CheckpointSigner:
        """Who signs the log."""
        return CheckpointSigner(Tree(self.engine), self.signing)

    def works_behind(self) -> bool:
        """Whether there is work that no sender waits for: a source that is relayed or reconciled, or a spool."""
        polled = (one.polling for one in self.settings.sources.values())
        polls = any(one is not None and one.every is not None for one in polled)
        return polls or bool(self.forwards("relay")) or bool(drained(self.settings, self.ids, self.spooled_as))

    def presence(self) -> Presence:
        """A thread that registers the service in its database."""
        return Presence(self.engine, version("hookfold"), fold.MACHINES, now)

    def sealer(self) -> Sealer:
        """A thread that keeps tree and checkpoints up with the log."""
        return Sealer(self.signer(), self.settings.service.checkpoint_every / SECOND)

    def folding(self) -> BackgroundFolding:
        """A thread that folds what no delivery should wait for."""
        return BackgroundFolding(self.engine, self.code())

    def monitor(self) -> Monitor:
        """A thread that logs what has not come."""
        return Monitor(Reads(self.engine), self.code(), now)

    def flask(self, door: Door, append: Append, registry: CollectorRegistry | None = None) -> Flask:
        """The Flask application; `append` returns after the commit. `registry`: of what is counted."""
        return self.http(self.api(append, registry), door, append)

    def api(self, append: Append, registry: CollectorRegistry | None = None) -> Api:
        """What the query API works with."""
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
        """The same of a service that only reads: what was taken out of the log is noted in a line."""
        made = self.api(_refuse, registry)
        return replace(made, record=note_access, probe=bool, writable=False)

    def http(self, api: Api, door: Door, append: Append) -> Flask:
        """The same application around an Api that others have, too."""
        for counter in door.counters:
            api.registry.register(counter)
        flask = create_http(api)
        flask.register_blueprint(ingest_blueprint(door, append))
        first = partial(first_commands, self.settings) if api.writable else list
        flask.register_blueprint(console(questions_of(api), self.ids.subkey("console"), api.holders, first))
        return flask


def wire(settings: Settings, engine: Engine, process: str = "") -> Components:
    """Puts the parts together; nothing is asked of the database yet, which may be away.

    `process` is the name of this process in a replica's sessions; empty for a command.
    """
    providers = {name: build(source) for name, source in settings.sources.items()}
    sources = {name: source_of(providers[name], configured) for name, configured in settings.sources.items()}
    replica = None if is_read_only(engine) else _replica(settings, process)
    signing = CurrentKey(signing_key(settings))
    return Components(settings, engine, replica, Ids(settings.service.key), providers, sources, signing)


def _replica(settings: Settings, process: str) -> Engine | None:
    """Nothing is asked of it yet. Raises ConfigError where its URL is none."""
    named = settings.service.read_database_url
    try:
        if named is None:
            return None
        return open_engine(named.value, pool_size=THREADS, read_only=True, name=_session_name(process))
    except WrongAddress as error:
        raise ConfigError(settings.path, "service.read_database_url", str(error)) from error


def wire_handed(handed: ProcessInput, process: str, *, keeps: bool = False) -> Components:
    """The same parts in another process, whose database has to be the same one. `keeps`: so that it stays so.

    `process` is the name of this process in PostgreSQL's sessions.
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
    """A line of the service's log in place of an event of our own, with the same words. 0: it has no position."""
    structlog.get_logger("access").info(kind, by=by or NOBODY, **what)
    return 0


def _refuse(_: Entry | Rejection | Probe) -> Receipt:
    raise Unavailable("it is a standby, which takes no writes: name the database that it follows")


def source_of(provider: Provider, configured: Configured) -> Source:
    """What the log has to know of a configured source."""
    settings = fold.Settings(configured.package_name, configured.overdue_after, configured.presumed_ended_after)
    silent_after = configured.silent_after or SOURCE_SILENT_AFTER
    return Source(configured.provider, provider.machine_of, reader(provider), settings, silent_after)


def first_commands(settings: Settings) -> list[str]:
    """What makes a first webhook appear: a signed `curl`, and a `simulate`; nothing where no source receives one."""
    from adapters.simulator import FIRST, first_curl  # asked for while the log is empty, and never again

    sources = sorted(settings.sources.values(), key=lambda source: list(FIRST).index(source.provider))
    if not sources:
        return []
    one, base = sources[0], settings.base
    secret = one.secrets[0].value if one.secrets else None
    curl = first_curl(base, one.path, one.provider, secret, one.package_name, now() / SECOND)
    return [curl.strip(), f"HOOKFOLD_PORT={settings.port} hookfold simulate --source {one.name}"]
