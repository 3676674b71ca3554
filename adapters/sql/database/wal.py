"""SQLite's write-ahead log is carried into the file beside the writer, so that no commit has to wait for that."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.threads import leave

TICK = 0.25
"""Seconds between two looks. A commit does it itself only where the log grew over its limit in between."""


@contextmanager
def carrying(engine: Engine) -> Iterator[None]:
    """While the block lasts, a thread carries what was committed; on PostgreSQL there is nothing to carry."""
    if engine.dialect.name != "sqlite":
        yield
        return
    ended = Event()
    thread = Thread(target=_carry, args=(engine, ended), name="hookfold-wal", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        leave(thread)


def _carry(engine: Engine, ended: Event) -> None:
    while not ended.wait(TICK):
        # the disk is full or away: the writer meets the same, and tells it; that files are others now is told already
        with suppress(DBAPIError, Unavailable), engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)")
