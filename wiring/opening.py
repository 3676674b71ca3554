"""Opens the database of a configuration: migrated, and belonging to it. Errors name the setting."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import Any

import structlog
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from adapters.config import ConfigError, Secret, Settings, Token, make_secrets
from adapters.sql import (
    LOG_KEY,
    OWN,
    TOKENS,
    Configured,
    Unavailable,
    Unfit,
    WrongAddress,
    cause_of,
    check_made,
    check_newest,
    claim,
    claims,
    held_otherwise,
    is_begun,
    is_standby,
    migrate,
    name_spool,
    note_configuration,
    open_engine,
    opened_engine,
    record_imports,
    secrets_changed,
    spooled_as,
)
from core.ids import Ids
from core.proofs.note import Key
from wiring.components import THREADS, Components, wire
from wiring.signing import signing_key, with_key_in_force

_SECRETS = {"secret": "secret", LOG_KEY: "signing_key"}
"""The settings behind the facts with which a log was begun."""
_URL = "HOOKFOLD_DATABASE_URL"

BEGINNING = 1.0
"""Seconds for another process, which has just created the secrets, to begin the log."""

_NAMES = ("source", "token", "change", "secret")
_TOLD = 20
"""The most changes that a log line names."""


def open_components(settings: Settings, *, begin: bool = False) -> Components:
    """Opens and migrates the database.

    Raises ConfigError if it cannot be used or does not belong to the configuration. Without `begin`, also if a new log
    would be begun although the secrets of a log exist.
    """
    with _usable(), _named():
        if not begin:
            _ask_first(settings)
        engine = open_engine(settings.database_url, pool_size=THREADS)
        try:
            migrate(engine)
            components = wire(with_key_in_force(engine, _with_secrets(engine, settings), complete=True), engine)
            _check_held(claim(engine, _facts(components.ids, components.settings)), components.settings)
        except BaseException:
            engine.dispose()
            raise
    return components


def open_to_read(settings: Settings) -> Components:
    """Opens the database read-only: nothing is created, migrated or recorded.

    Raises ConfigError if it cannot be used, is at another revision, or does not belong to the configuration.
    """
    with _usable(), _named():
        engine = open_engine(settings.database_url, pool_size=THREADS, make=False, read_only=True)
        try:
            check_newest(engine)
            components = wire(with_key_in_force(engine, settings, complete=False), engine)
            check_facts(components)
            components = replace(components, spooled_as=spooled_as(engine))
        except BaseException:
            engine.dispose()
            raise
    return components


def start(settings: Settings, check: Callable[[Components], object] | None = None) -> Components:
    """Opens the database for a service, and records in the log what was changed since the last start.

    `check` may raise ConfigError to refuse the settings. It runs before they are recorded.
    """
    components = open_components(settings)
    try:
        if components.replica is not None:
            _check_replica(components.replica, components)
        with closing(components.log()) as log, _usable():
            record_imports(components.engine, log, components.recorder(log))
            components = replace(
                components, spooled_as=(spooled_as if components.read_only else name_spool)(components.engine)
            )
        if check is not None:
            check(components)
        return note(components, "start")
    except BaseException:
        components.close()
        raise


def note(components: Components, through: str) -> Components:
    """Records the changes since the configuration was last recorded. Raises ConfigError if that is impossible.

    Does nothing if the database is read-only.
    """
    if components.read_only:
        return components
    with closing(components.log()) as log, _usable():
        _tell(
            note_configuration(
                components.engine, log, components.recorder(log, through), _noted(components.settings, components.ids)
            )
        )
        return replace(components, secrets_changed=secrets_changed(components.engine))


def _tell(changes: list[dict[str, Any]]) -> None:
    """Logs the names and references of what changed. The event has the values."""
    if changes:
        told = [{name: value for name, value in change.items() if name in _NAMES} for change in changes[:_TOLD]]
        mend = f"what each was and is now: /v1/events?source={OWN}&type=configuration_changed"
        structlog.get_logger().info("configuration_changed", changes=told, count=len(changes), mend=mend)


def _check_replica(replica: Engine, components: Components) -> None:
    """Raises ConfigError if the replica has another log. If it is away, the primary answers until it is back."""
    try:
        held = claims(replica).get("secret", components.ids.fingerprint())  # a first start's may be under way
    except (Unavailable, SQLAlchemyError) as error:
        structlog.get_logger().warning("replica_away", reason=cause_of(error))
        return
    if held != components.ids.fingerprint():
        mend = "another log is there: name a replica of the database that this service writes"
        raise ConfigError(components.settings.path, "service.read_database_url", mend)


@contextmanager
def opened(settings: Settings, *, make: bool = False) -> Iterator[Components]:
    """The components of a command. An import may create (`make`) the database. A standby is opened read-only."""
    standby = False
    if not make:
        with database(settings.database_url) as engine:
            check_made(engine)
            standby = is_standby(engine)
    components = open_to_read(settings) if standby else open_components(settings, begin=make)
    try:
        yield components
    finally:
        components.close()


def begin(settings: Settings) -> None:
    """Begins an empty log for this configuration, even if the secrets of an earlier one exist."""
    open_components(settings, begin=True).close()


def check_facts(components: Components) -> None:
    """Raises ConfigError if the database does not belong to the configuration."""
    _check_held(
        held_otherwise(claims(components.engine), _facts(components.ids, components.settings)), components.settings
    )


def key_of(settings: Settings) -> Key:
    """The verifier key of the configured log, which need not exist yet. Raises ConfigError, Unavailable."""
    with _named():
        if is_begun(settings.database_url):
            with opened_engine(settings.database_url, make=False) as engine:
                settings = with_key_in_force(engine, settings, complete=False)
    return signing_key(settings).key


def check_up_to_date(url: str) -> None:
    """Raises like `database`, and Unavailable if the database is not at the newest revision."""
    with database(url) as engine:
        check_newest(engine)


@contextmanager
def database(url: str, *, make: bool = False) -> Iterator[Engine]:
    """An engine for a block. Raises ConfigError for an invalid URL, and Unavailable if nothing may be created."""
    with _named(), opened_engine(url, make=make) as engine:
        yield engine


@contextmanager
def _named() -> Iterator[None]:
    """Turns the error of an invalid URL into one of its setting."""
    try:
        yield
    except WrongAddress as error:
        raise ConfigError("environment", _URL, str(error)) from error


@contextmanager
def _usable() -> Iterator[None]:
    """Turns errors of an unusable database into one of its setting, with what to do."""
    try:
        yield
    except Unfit as error:
        raise ConfigError("environment", _URL, f"the database cannot be used: {error}") from error
    except (Unavailable, SQLAlchemyError, OSError, ValueError) as error:
        mend = f"the database cannot be used ({cause_of(error)}): start it and let the service write, or name another"
        raise ConfigError("environment", _URL, mend) from error


def _ask_first(settings: Settings) -> None:
    """Raises ConfigError if the secrets exist but their log does not, because the first start creates both.

    Waits briefly, since another process that starts now may have created the secrets and be about to begin the log.
    """
    found = (settings.service.secret, settings.service.signing_key)
    if any(one.absent is not None or not one.ref.startswith("file:") for one in found):
        return
    deadline = time.monotonic() + BEGINNING
    while not is_begun(settings.database_url):
        if time.monotonic() > deadline:
            there = " and ".join(one.ref.removeprefix("file:") for one in found)
            back = "put it back (with its -wal)"
            if settings.database_url.startswith("postgresql"):
                back = "put it back, take it along from another database (`hookfold import`)"
            mend = (
                f"there is no log, but {there} of one are there: if it was moved or removed, {back}, or name it; "
                "to begin an empty one, `hookfold db new`"
            )
            raise ConfigError("environment", _URL, mend)
        time.sleep(0.05)


def _with_secrets(engine: Engine, settings: Settings) -> Settings:
    """The settings with missing secrets created. Raises ConfigError if the database depends on a missing one."""
    return make_secrets(settings, [_SECRETS[fact] for fact in claims(engine) if fact in _SECRETS])


def missing_secrets(engine: Engine, settings: Settings) -> list[str]:
    """The missing secrets on which the database depends, each with what to do."""
    found = {_SECRETS[fact] for fact in claims(engine) if fact in _SECRETS}
    named = {name: getattr(settings.service, name) for name in sorted(found)}
    return [str(one.missing(f"service.{name}")) for name, one in named.items() if one.absent is not None]


def _facts(ids: Ids, settings: Settings) -> dict[str, str]:
    """The facts that a log must keep."""
    facts = {"secret": ids.fingerprint(), LOG_KEY: str(signing_key(settings).key)}
    return facts | {f"source:{name}": source.provider for name, source in settings.sources.items()}


def _check_held(otherwise: Mapping[str, str], settings: Settings) -> None:
    """Raises ConfigError for the first fact that is different in the log."""
    for name, held in otherwise.items():
        if name == "secret":
            mend = "this database was made with another service secret: give it back, or begin with another database"
            raise ConfigError(settings.path, "service.secret", mend)
        if name == LOG_KEY:
            mend = (
                f"the checkpoints of this database are signed by {held}: give that key and its origin back; "
                "`hookfold audit rotate-key` puts another one in its place"
            )
            raise ConfigError(settings.path, "service.signing_key", mend)
        key = f"sources.{name.removeprefix('source:')}.provider"
        raise ConfigError(settings.path, key, f"the log knows this source as {held}: choose another name for a new one")


def _noted(settings: Settings, ids: Ids) -> dict[str, Configured]:
    """The part of the configuration whose changes are recorded, with secrets as keyed hashes by reference."""
    noted = {
        name: Configured(
            source.provider,
            _hashes(ids, name, filter(None, [*source.secrets, source.path_secret])),
            source.node_ascii,
            source.keep_for,
            source.others(),
            api_key=_hashes(ids, name, [source.polling.key] if source.polling else []),
        )
        for name, source in settings.sources.items()
    }
    noted |= {TOKENS + name: _noted_token(token, ids) for name, token in settings.tokens.items()}
    return noted | {OWN: Configured(OWN, settings=settings.service.others())}


def _noted_token(token: Token, ids: Ids) -> Configured:
    hashes = _hashes(ids, TOKENS + token.name, [token.secret])
    limits = {"sources": " ".join(token.sources)} if token.sources else {}
    return Configured("", hashes, settings={"scopes": " ".join(token.scopes), **limits})


def _hashes(ids: Ids, name: str, secrets: Iterable[Secret]) -> dict[str, str]:
    return {secret.ref: ids.key(name, b"secret:" + secret.value.encode()).hex()[:16] for secret in secrets}
