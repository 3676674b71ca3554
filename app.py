"""The composition root: what is wired with what. `create_app` is the WSGI application, `serve` the whole service."""

import gc
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

import msgspec
import structlog
from flask import Flask
from msgspec import to_builtins
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.archive import Exporter, Intake, Tell
from adapters.audit import Notary, Sealer, SigningKey, Verification, verify_log
from adapters.cli import Asked, Commands, Keeping, Serving, command_line
from adapters.config import ConfigError, Settings, make_secrets
from adapters.config import Source as Configured
from adapters.evidence import Evidence
from adapters.http import Api, Door, create_http, ingest_blueprint
from adapters.providers import TOLD_STATES, Provider, build, read_told, told
from adapters.server import (
    WRITER,
    Bridge,
    Front,
    Link,
    configure_logs,
    handed,
    listener,
    serve_for_parent,
    serving,
    wait_for_end,
    write_for_parent,
    writing,
)
from adapters.sql import (
    OWN,
    Entry,
    GroupCommit,
    Importer,
    Keeper,
    Log,
    Outcome,
    Own,
    Plans,
    Probe,
    Projector,
    Reads,
    Receipt,
    Rejection,
    Replay,
    Rereader,
    Source,
    Tree,
    Unavailable,
    Verdict,
    Whole,
    WrongAddress,
    carrying,
    cause_of,
    claim,
    claimed_sources,
    claims,
    dialect_of,
    keeper,
    migrate,
    note_configuration,
    open_engine,
    probe,
    revision,
)
from adapters.sql import Configured as Noted
from core import fold
from core.event import SECOND, Instant, Reading, Unreadable
from core.ids import Ids
from core.note import Checkpoint, Key

Append = Callable[[Entry | Rejection | Probe], Receipt]

THREADS = 8
"""Threads of one process that answer queries."""

SELDOM = (50_000, 20, 100)
"""The collector's thresholds where very many objects are made and no cycles."""

SHORT = (5_000, 1_000, 10)
"""The same where nobody may wait for long."""


def now() -> Instant:
    """The wall clock."""
    return time.time_ns() // 1_000


@dataclass(frozen=True, slots=True)
class Parts:
    """What every process of a service has, whether it serves or writes."""

    settings: Settings
    engine: Engine
    ids: Ids
    providers: Mapping[str, Provider]
    sources: Mapping[str, Source]

    def log(self) -> Log:
        """The writer's side of the log."""
        return Log(self.engine, self.ids, Projector(dialect_of(self.engine), self.ids, self.sources), now)

    def keeper(self, log: Log) -> Keeper:
        """What erases, retracts, and records what the command line did."""
        return keeper(self.engine, self.ids, self.sources, log, now, "command line")

    def replay(self, record: Callable[..., Any] | None = None, helpers: int = 0) -> Replay:
        """What builds projections anew, also of sources that the configuration no longer names.

        `helpers`: processes that fold too; none where others serve meanwhile, or where this process has threads.
        """
        claimed = claimed_sources(self.engine).items()
        gone = {name: Configured(name, provider) for name, provider in claimed if name not in self.sources}
        sources = {name: _source(build(source), source) for name, source in gone.items()}
        return Replay(self.engine, self.ids, {**sources, **self.sources}, now, record=record, helpers=helpers)

    def door(self) -> Door:
        """What deliveries come through."""
        return Door(self.providers, self.settings.service.max_body, now)

    def notary(self) -> Notary:
        """Who signs the log."""
        return Notary(Tree(self.engine), _signing(self.settings))

    def sealer(self) -> Sealer:
        """A thread that keeps tree and checkpoints up with the log."""
        return Sealer(self.notary(), self.settings.service.checkpoint_every / SECOND)

    def flask(self, door: Door, append: Append) -> Flask:
        """The Flask application; `append` returns after the commit."""
        tell, own = partial(_tell, append), Own(append, now, "http")
        api = Api(
            reads=Reads(self.engine),
            ids=self.ids,
            sources=self.sources,
            tell=tell,
            record=own.record,
            clock=now,
            threads=THREADS,
            notary=self.notary(),
            probe=partial(probe, append),
            plans=Plans(self.engine, partial(self.replay, own.record), now),
        )
        flask = create_http(api)
        flask.register_blueprint(ingest_blueprint(door, append))
        return flask


def wire(settings: Settings, engine: Engine | None = None) -> Parts:
    """Puts the parts together; nothing is asked of the database yet, which may be away."""
    engine = engine or open_engine(settings.database_url, pool_size=THREADS)
    providers = {name: build(source) for name, source in settings.sources.items()}
    sources = {name: _source(providers[name], configured) for name, configured in settings.sources.items()}
    return Parts(settings, engine, Ids(settings.service.key), providers, sources)


def open_parts(settings: Settings) -> Parts:
    """Opens and migrates the database.

    Raises ConfigError where it cannot be used, or does not belong to the configuration.
    """
    with _usable():
        engine = _engine(settings.database_url, pool_size=THREADS)
        try:
            migrate(engine)
            parts = wire(_with_secrets(engine, settings), engine)
            _check_claims(engine, parts.ids, parts.settings)
        except BaseException:
            engine.dispose()
            raise
    return parts


def start(settings: Settings) -> Parts:
    """The same for who receives deliveries: what was changed since the last start is recorded in the log."""
    parts = open_parts(settings)
    with closing(parts.log()) as log, _usable():
        note_configuration(parts.engine, log, _own(log, "start"), _noted(parts.settings, parts.ids))
    return parts


def _engine(url: str, **how: Any) -> Engine:
    try:
        return open_engine(url, **how)
    except WrongAddress as error:
        raise ConfigError("environment", "HOOKFOLD_DATABASE_URL", str(error)) from error


@contextmanager
def _usable() -> Iterator[None]:
    """A block in which a database that cannot be used is told as the setting that names it, and how to mend that."""
    try:
        yield
    except (Unavailable, SQLAlchemyError, OSError, ValueError) as error:
        mend = f"the database cannot be used ({cause_of(error)}): start it and let the service write, or name another"
        raise ConfigError("environment", "HOOKFOLD_DATABASE_URL", mend) from error


def create_app(settings: Settings) -> Flask:
    """The WSGI application: everything that the service answers, under any WSGI server. Its threads commit and seal."""
    if not structlog.is_configured():
        configure_logs()
    parts = start(settings)
    parts.sealer()
    return parts.flask(parts.door(), GroupCommit(parts.log().commit).append)


def answer() -> None:
    """One serving process, until its parent is gone. The writing process commits.

    One that is started anew while the database is away answers so: `serve` migrated.
    """
    configure_logs()
    parts, listening = wire(handed()), listener()
    door, link = parts.door(), Link(os.environ[WRITER], parts.ids)
    bridge = Bridge(parts.flask(door, link.append), THREADS, listening.getsockname()[:2])
    _tune()
    serve_for_parent(Front(door, link, bridge), link, door.max_body, listening)
    parts.engine.dispose()


def write() -> None:
    """The writing process, until its parent is gone.

    It has one thread and one connection. All connections of a process to one SQLite file share what the first of them
    found, such as that nothing may be written: who writes could not recover from that while another one is kept.
    """
    configure_logs()
    parts = wire(handed())
    log = parts.log()
    _tune()
    write_for_parent(log)
    log.close()
    parts.engine.dispose()


def _tune() -> None:
    """Sets the interpreter up for one busy thread.

    What stands now stays, and what comes is freed by its last reference: who looks for cycles finds next to nothing.
    Each look is short, and the long ones come after millions of objects: somebody waits for an answer meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*SHORT)


def serve(settings: Settings, asked: Serving) -> None:
    """Serves until it is told to stop. What is wrong with the database is told here, before a process is started.

    This process seals, and carries SQLite's write-ahead log over: those that serve and write share their interpreters
    with nobody.
    """
    parts = start(settings)
    if not settings.sources:
        structlog.get_logger().warning("no_source", mend=f"add [sources.NAME] with its provider to {settings.path}")
    if names := parts.replay().unbuilt():
        structlog.get_logger().warning("unbuilt", machines=names, mend="hookfold replay, or serve --rebuild-on-start")
    with (
        carrying(parts.engine),
        closing(parts.sealer()),
        writing("from app import write; write()", parts.settings),
        serving("from app import answer; answer()", parts.settings, asked.host, settings.port, asked.processes),
    ):
        structlog.get_logger().info("listening", host=asked.host, port=settings.port)
        wait_for_end()
    parts.engine.dispose()


def _noted(settings: Settings, ids: Ids) -> dict[str, Noted]:
    """The configuration as far as its changes are recorded: secrets as keyed hashes, by reference."""
    noted = {
        name: Noted(
            source.provider,
            {secret.ref: ids.key(name, b"secret:" + secret.value.encode()).hex()[:16] for secret in source.secrets},
            source.node_ascii,
            source.keep_for,
            source.others(),
        )
        for name, source in settings.sources.items()
    }
    return noted | {OWN: Noted(OWN, settings=settings.service.others())}


def _with_secrets(engine: Engine, settings: Settings) -> Settings:
    """The first start makes the secrets that are not there; a database that was made with others wants those back."""
    names = {"secret": "secret", "log_key": "signing_key"}
    return make_secrets(settings, [names[fact] for fact in claims(engine) if fact in names])


def _check_claims(engine: Engine, ids: Ids, settings: Settings) -> None:
    facts = {"secret": ids.fingerprint(), "log_key": str(_key(settings))}
    facts |= {f"source:{name}": source.provider for name, source in settings.sources.items()}
    for name, held in claim(engine, facts).items():
        if name == "secret":
            mend = "this database was made with another service secret: give it back, or begin with another database"
            raise ConfigError(settings.path, "service.secret", mend)
        if name == "log_key":
            mend = f"the checkpoints of this database are signed by {held}: give that key and its origin back"
            raise ConfigError(settings.path, "service.signing_key", mend)
        key = f"sources.{name.removeprefix('source:')}.provider"
        raise ConfigError(settings.path, key, f"the log knows this source as {held}: choose another name for a new one")


def _source(provider: Provider, configured: Configured) -> Source:
    settings = fold.Settings(configured.package_name, configured.overdue_after, configured.presumed_ended_after)
    return Source(configured.provider, provider.machine_of, partial(_read, provider), settings)


def _read(provider: Provider, kind: str | None, body: bytes) -> Reading | Unreadable:
    return read_told(body) if kind in TOLD_STATES else provider.read(body)


def _tell(
    append: Append, *, source: str, key: str, action_id: str, state: str, occurred_at: Instant
) -> tuple[str, int]:
    body = told(action_id, state, occurred_at)
    entry = Entry(source, now(), [("idempotency-key", key)], body, None, b"told:" + key.encode(), read_told(body))
    receipt = append(entry)
    return receipt.verdict, receipt.position


def main() -> None:
    """The command line."""
    configure_logs()
    command_line(commands())()


def commands() -> Commands:
    """What the command line does."""
    return Commands(
        serve=serve,
        migrate=_migrate,
        revision=_revision,
        replay=_replay,
        rereader=_rereader,
        key=_key,
        notary=_notary,
        keeping=_keeping,
        verify=_verify,
        asking=_asking,
        export=_export,
        import_=_import,
    )


@contextmanager
def _database(url: str, *, make: bool = False) -> Iterator[Engine]:
    engine = _engine(url, make=make)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _opened(settings: Settings, *, make: bool = False) -> Iterator[Parts]:
    """The parts of one command. Only one that receives may `make` the database."""
    if not make:
        _check_made(settings.database_url)
    parts = open_parts(settings)
    try:
        yield parts
    finally:
        parts.engine.dispose()


@contextmanager
def _appending(settings: Settings, *, make: bool = False) -> Iterator[tuple[Parts, Log]]:
    """The parts of a command that appends, if only what it did."""
    with _opened(settings, make=make) as parts, closing(parts.log()) as log:
        yield parts, log


def _migrate(url: str) -> None:
    with _database(url, make=True) as engine:
        migrate(engine)


def _revision(url: str) -> tuple[str | None, str | None]:
    with _database(url) as engine:
        return revision(engine)


@contextmanager
def _asking(settings: Settings) -> Iterator[Asked]:
    """The query API in this process; nothing can be appended through it."""
    _check_there(settings.database_url)
    with _opened(settings) as parts:
        client = parts.flask(parts.door(), _refuse).test_client()

        def ask(path: str, parameters: dict[str, str]) -> tuple[int, str]:
            answer = client.get(path, query_string=parameters)
            return answer.status_code, answer.get_data(as_text=True)

        yield ask


def _refuse(_: Entry | Rejection | Probe) -> Receipt:
    raise Unavailable("this command only reads")


def _check_made(url: str) -> None:
    if _revision(url)[0] is None:
        raise Unavailable("it holds no log: name the one that `hookfold serve` made")


def _check_there(url: str) -> None:
    current, newest = _revision(url)
    if current != newest:
        raise Unavailable(f"it is at revision {current or 'none'}, this code knows {newest}")


@contextmanager
def _export(settings: Settings) -> Iterator[Exporter]:
    """The database has to be there: an export of a log that was never made would be a mistake that nobody sees."""
    _check_there(settings.database_url)
    with _appending(settings) as (parts, log):
        yield Exporter(Whole(parts.engine), parts.ids, parts.sources, _own(log).record)


def _import(settings: Settings, file: BinaryIO, append: bool, tell: Tell, outcome: Outcome) -> None:
    """A file that was made with another secret is refused before the database is touched."""
    ids = Ids(settings.service.key)
    sources = {name: _source(build(source), source) for name, source in settings.sources.items()}
    intake = Intake(file, ids, sources)
    with _appending(settings, make=True) as (parts, log):
        importer = Importer(parts.engine, ids, sources, now, whole=intake.whole and not append)
        try:
            intake.into(importer, tell, outcome)
        finally:
            importer.close()
            if outcome.kept or outcome.appended:
                _own(log).record("imported", **to_builtins(outcome))


def _own(log: Log, through: str = "command line") -> Own:
    """Records in the log what is done with it."""
    return Own(lambda entry: log.append([entry])[0], now, through)


def _spare_cores() -> int:
    """How many processes can help this one with a replay: with more than three, it would be the one they wait for."""
    return min(3, len(os.sched_getaffinity(0)) - 1) if sys.platform == "linux" else 0


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """A block that makes very many rows and no cycles: to look for cycles among them costs a tenth of a replay."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@contextmanager
def _replay(settings: Settings) -> Iterator[Replay]:
    with _appending(settings) as (parts, log), _seldom_collecting():
        yield parts.replay(_own(log).record, _spare_cores())


@contextmanager
def _rereader(settings: Settings) -> Iterator[Rereader]:
    with _appending(settings) as (parts, log):
        again = partial(_received_again, parts.providers)
        yield Rereader(parts.engine, parts.ids, parts.sources, again, log, _own(log))


def _received_again(providers: Mapping[str, Provider], entry: Entry) -> Entry:
    provider = providers[entry.source]
    identity = provider.identity(entry.headers, entry.body, entry.reading)
    return msgspec.structs.replace(entry, identity=identity, keyed_by_body=provider.keyed_by_body)


def _signing(settings: Settings) -> SigningKey:
    return SigningKey(settings.service.seed, settings.service.origin)


def _key(settings: Settings) -> Key:
    return _signing(settings).key


@contextmanager
def _keeping(settings: Settings) -> Iterator[Keeping]:
    with _appending(settings) as (parts, log):
        keeper, notary = parts.keeper(log), parts.notary()
        evidence = Evidence(Reads(parts.engine), notary, parts.sources, keeper.own.record)
        yield Keeping(settings, keeper, notary, evidence, now)


@contextmanager
def _notary(settings: Settings) -> Iterator[Notary]:
    with _opened(settings) as parts:
        yield parts.notary()


def _verify(
    url: str, settings: Settings | None, key: Key, kept: Sequence[Checkpoint], progress: Callable[[int, int], None]
) -> Verdict:
    """Writes nothing: the database may be somebody's copy, and is not even migrated."""
    _check_there(url)
    sources = {} if settings is None else settings.sources
    readers = {name: partial(_read, build(source)) for name, source in sources.items()}
    with _database(url) as engine:
        return verify_log(engine, Verification(key, kept, readers), progress)
