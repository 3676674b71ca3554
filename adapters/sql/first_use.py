"""What a database was first used with: another secret or another provider under an old name would make lies of it."""

from collections.abc import Mapping

from sqlalchemy import Engine, select, text

from adapters.sql.tables import service

_SOURCE = "source:"


def claims(engine: Engine) -> dict[str, str]:
    """Every fact that the database was first used with."""
    with engine.connect() as connection:
        return dict(connection.execute(select(service.c.name, service.c.value)).all())


def claimed_sources(engine: Engine) -> dict[str, str]:
    """Every source that the log ever had, with its provider, also those that the configuration no longer names."""
    held = claims(engine)
    return {name.removeprefix(_SOURCE): value for name, value in held.items() if name.startswith(_SOURCE)}


def claim(engine: Engine, facts: Mapping[str, str]) -> dict[str, str]:
    """Records each fact that the database has none of; gives those that it holds otherwise, with what it holds."""
    insert = "INSERT INTO service (name, value) VALUES (:name, :value) ON CONFLICT DO NOTHING"
    with engine.begin() as connection:
        if facts:
            connection.execute(text(insert), [{"name": name, "value": value} for name, value in facts.items()])
        held = dict(connection.execute(select(service.c.name, service.c.value)).all())
    return {name: held[name] for name, value in facts.items() if held[name] != value}
