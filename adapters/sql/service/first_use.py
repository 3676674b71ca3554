"""What a database was first used with. Another secret, or another provider for a source, would falsify the log."""

from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

from sqlalchemy import Engine, select, text

from adapters.sql.connections.address import address
from adapters.sql.connections.engine import opened_engine
from adapters.sql.connections.revisions import revision
from adapters.sql.database.tables import service
from adapters.sql.database.transactions import writing

_SOURCE = "source:"
_SPOOL = "spool"
_CLAIM = text("INSERT INTO service (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")


def is_begun(url: str) -> bool:
    """Whether the database has a log that is in use. Creates nothing. Raises Unavailable."""
    parsed = address(url)
    if parsed.get_backend_name() == "sqlite" and not Path(parsed.database or "").exists():
        return False
    with opened_engine(url, make=False) as engine:
        return revision(engine)[0] is not None and "secret" in claims(engine)


def claims(engine: Engine) -> dict[str, str]:
    """Every fact that the database was first used with."""
    with engine.connect() as connection:
        return dict(connection.execute(select(service.c.name, service.c.value)).all())


def spooled_as(engine: Engine) -> str:
    """The name of the log's spools, which identifies the log; empty before its first start."""
    return claims(engine).get(_SPOOL, "")


def name_spool(engine: Engine) -> str:
    """The name of the log's spools. Generates and stores it on first use."""
    if name := spooled_as(engine):
        return name
    made = {_SPOOL: token_hex(8)}
    return (made | claim(engine, made))[_SPOOL]


def claimed_sources(engine: Engine) -> dict[str, str]:
    """Every source that the log ever had, with its provider, including those no longer configured."""
    held = claims(engine)
    return {name.removeprefix(_SOURCE): value for name, value in held.items() if name.startswith(_SOURCE)}


def claim(engine: Engine, facts: Mapping[str, str]) -> dict[str, str]:
    """Stores each fact that the database lacks; returns those with another value, and that value."""
    held = claims(engine)
    if missing := [{"name": name, "value": value} for name, value in facts.items() if name not in held]:
        with writing(engine) as connection:
            connection.execute(_CLAIM, missing)
        held = claims(engine)  # another service may have stored it first
    return held_otherwise(held, facts)


def held_otherwise(held: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """The facts that have another value in the database, with that value."""
    return {name: held[name] for name, value in facts.items() if held.get(name, value) != value}
