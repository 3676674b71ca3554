"""Migrates a database to the newest revision, and reports its revision.

Alembic is imported only for a migration: importing it and all migrations takes longer than the rest of a command. So
the newest revision is taken from the name of the newest migration's file.
"""

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect

from adapters.sql.connections.session import Unfit
from adapters.sql.database.errors import our_errors
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.transactions import writing
from adapters.sql.dialects.advisory_locks import MIGRATING

MIGRATIONS = Path(__file__).parents[3] / "migrations"


def migrate(engine: Engine) -> None:
    """Migrates the database to the newest revision. Processes that start at the same time take turns.

    Raises Unavailable, or Unfit if another release wrote the database.
    """
    current, newest = revision(engine)
    if current == newest:
        return
    with our_errors(), writing(engine) as connection:
        if engine.dialect.name == "postgresql":
            connection.exec_driver_sql(MIGRATING)
        upgrade(connection, "head")


def revision(engine: Engine) -> tuple[str | None, str]:
    """The database's revision and the newest one that this code knows. Raises Unavailable."""
    with our_errors(), engine.connect() as connection:
        return _revisions(connection)


def is_served(current: str | None, newest: str) -> bool:
    """Whether a process that started before an upgrade can work with the database as it is.

    The migrations of a release let the previous release continue to work. Two revisions in one database are a fault.
    """
    return current is not None and "+" not in current and current >= newest


def revision_fault(current: str | None, newest: str | None) -> str:
    """The message for a database that is not at the newest revision, with what to do."""
    from alembic.script import ScriptDirectory

    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if current is None or current in known:
        mend = "`hookfold db upgrade` brings it there"
        return f"it is at revision {current or 'none'}, this release knows {newest}: {mend}"
    return (
        f"it is at revision {current}, which this release does not know (its newest is {newest}): another release "
        "wrote it. Start that release again, or go back to the backup from before the upgrade"
    )


def check_made(engine: Engine) -> None:
    """Raises Unavailable if the database has no log yet."""
    if revision(engine)[0] is None:
        raise Unavailable("it holds no log: name the one that `hookfold serve` made")


def check_newest(engine: Engine) -> None:
    """Raises Unfit unless the database is at the newest revision."""
    current, newest = revision(engine)
    if current != newest:
        raise Unfit(revision_fault(current, newest))


def upgrade(connection: Connection, target: str) -> None:
    """Runs the migrations up to a revision or `head`. Raises Unfit if another release wrote the database."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError as error:
        raise Unfit(revision_fault(*_revisions(connection))) from error


def _revisions(connection: Connection) -> tuple[str | None, str]:
    made = inspect(connection).has_table("alembic_version")
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalars() if made else ()
    return "+".join(sorted(found)) or None, _newest()


@cache
def _newest() -> str:
    return max(path.name for path in MIGRATIONS.glob("versions/[0-9]*.py")).partition("_")[0]
