"""What a database was first used with: another secret or another provider under an old name would make lies of it."""

from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex

from sqlalchemy import Engine, select, text

from adapters.sql.database.address import address
from adapters.sql.database.engine import opened_engine
from adapters.sql.database.revisions import revision
from adapters.sql.database.tables import service
from adapters.sql.database.transactions import writing

_SOURCE = "source:"
_SPOOL = "spool"
_CLAIM = text("INSERT INTO service (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING")


def is_begun(url: str) -> bool:
    """Whether there is a log that somebody began. Makes nothing; raises Unavailable where the database is away."""
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
    """What the log's spools are named after, so that no other log takes them; empty where it had no start yet."""
    return claims(engine).get(_SPOOL, "")


def name_spool(engine: Engine) -> str:
    """The same; the first start makes the name."""
    if name := spooled_as(engine):
        return name
    made = {_SPOOL: token_hex(8)}
    return (made | claim(engine, made))[_SPOOL]


def claimed_sources(engine: Engine) -> dict[str, str]:
    """Every source that the log ever had, with its provider, also those that the configuration no longer names."""
    held = claims(engine)
    return {name.removeprefix(_SOURCE): value for name, value in held.items() if name.startswith(_SOURCE)}


def claim(engine: Engine, facts: Mapping[str, str]) -> dict[str, str]:
    """Records each fact that the database has none of; gives those that it holds otherwise, with what it holds."""
    held = claims(engine)
    if missing := [{"name": name, "value": value} for name, value in facts.items() if name not in held]:
        with writing(engine) as connection:
            connection.execute(_CLAIM, missing)
        held = claims(engine)  # another service may have been first
    return held_otherwise(held, facts)


def held_otherwise(held: Mapping[str, str], facts: Mapping[str, str]) -> dict[str, str]:
    """Those of the facts that the database holds otherwise, with what it holds."""
    return {name: held[name] for name, value in facts.items() if held.get(name, value) != value}
