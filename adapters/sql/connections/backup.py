"""Copies a database in use, and checks a database after a backup or restore."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, text

from adapters.sql.connections.revisions import revision, revision_fault
from adapters.sql.database.errors import our_errors
from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.joins import HEAD
from core.words import counted

_GUARDS = {
    "sqlite": {"events_refuse_update", "events_refuse_delete", "events_refuse_replace"},
    "postgresql": {"events_refuse_change", "events_refuse_truncate"},
}
_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE tgenabled = 'A' AND tgrelid = 'events'::regclass",
}
_SIGNED = text("SELECT coalesce(max(size), 0) FROM checkpoints")


def back_up(engine: Engine, target: Path) -> int:
    """Copies an SQLite database, as one transaction sees it, to a new file; returns the file's size in bytes.

    Writers are not blocked. Raises FileExistsError, and Unavailable for PostgreSQL.
    """
    if engine.dialect.name != "sqlite":
        raise Unavailable("a PostgreSQL database is copied by pg_dump, or by a base backup of its server")
    part = target.with_name(f"{target.name}.part")
    if target.exists():
        raise FileExistsError(target)
    os.close(os.open(part, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
    try:
        with our_errors(), engine.connect() as connection:
            driver: Any = connection.connection.driver_connection
            driver.execute("VACUUM INTO ?", (str(part),))
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.link(part, target)
    finally:
        part.unlink()
    return target.stat().st_size


def faults(engine: Engine) -> Iterator[str]:
    """The faults of a database, without the content of its log (see `audit verify`). Writes nothing."""
    current, newest = revision(engine)
    if current is None:
        yield "it holds no log"
        return
    if current != newest:
        yield revision_fault(current, newest)
    with our_errors(), engine.connect() as connection:
        yield from _broken(connection)
        name = engine.dialect.name
        for gone in sorted(_GUARDS[name] - set(connection.execute(text(_TRIGGERS[name])).scalars())):
            yield f"the trigger {gone}, one of those that let nobody change an event, is gone or disabled"
        head, signed = connection.execute(HEAD).scalar_one(), connection.execute(_SIGNED).scalar_one()
        if signed > head:
            over = counted(signed, "event")
            yield f"a checkpoint was signed over {over}, and the log ends at {head}: the last ones are missing"


def _broken(connection: Connection) -> Iterator[str]:
    """The faults that SQLite finds in its own file. PostgreSQL checks each page that it reads (`data_checksums`)."""
    if connection.dialect.name == "sqlite":
        found = connection.exec_driver_sql("PRAGMA integrity_check").scalars()
        yield from (line for line in found if line != "ok")
