"""SQLite's write-ahead log is carried into the file beside the writer, so that no commit has to wait for that."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
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
    """Where nobody has written since all was carried, the database is not even opened."""
    database, done = Path(str(engine.url.database)), None
    while not ended.wait(TICK):
        found = [_look_at(database), _look_at(database.with_name(f"{database.name}-wal"))]
        # the disk is full or away: the writer meets the same, and tells it; that files are others now is told already
        with suppress(DBAPIError, Unavailable):
            if found != done and _is_carried(engine):
                done = found


def _look_at(path: Path) -> tuple[int, int, int] | None:
    """Inode, size and time of the last change; None where there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_carried(engine: Engine) -> bool:
    """Carries what no reader holds back; whether nothing is left."""
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        _, pages, carried = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
    return bool(pages == carried)
