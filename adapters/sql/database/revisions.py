"""Brings a database to the newest revision, and tells at which one it is.

Alembic is imported where it is used: the processes that serve and write start without it, in a fifth less time.
"""

from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from adapters.sql.database.errors import our_errors
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.transactions import writing

MIGRATIONS = Path(__file__).parents[3] / "migrations"


def migrate(engine: Engine) -> None:
    """Brings the database to the newest revision; two processes that start at once take turns. Raises Unavailable."""
    from alembic import command
    from alembic.util import CommandError

    with our_errors(), writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7238701)")
        try:
            command.upgrade(_config(connection), "head")
        except CommandError as error:
            raise Unavailable("it is at a revision that this release does not know") from error


def revision(engine: Engine) -> tuple[str | None, str | None]:
    """The database's revision and the newest one that this code knows. Raises Unavailable."""
    from alembic.migration import MigrationContext
    from alembic.script import ScriptDirectory

    with our_errors(), engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    return current, ScriptDirectory(str(MIGRATIONS)).get_current_head()


def check_made(engine: Engine) -> None:
    """Raises Unavailable where no log was ever made."""
    if revision(engine)[0] is None:
        raise Unavailable("it holds no log: name the one that `hookfold serve` made")


def check_newest(engine: Engine) -> None:
    """Raises Unavailable where the database is not at the newest revision."""
    current, newest = revision(engine)
    if current != newest:
        raise Unavailable(f"it is at revision {current or 'none'}, this code knows {newest}")


def _config(connection: Any) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
