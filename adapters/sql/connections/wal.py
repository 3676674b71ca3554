"""Checkpoints SQLite's write-ahead log in a thread of its own, so that no commit waits for it."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.threads import leave

TICK = 0.25
"""Seconds between two looks. A commit checkpoints by itself only if the log exceeds its limit in between."""


@contextmanager
def carrying(engine: Engine) -> Iterator[None]:
    """Runs the checkpointing thread during the block. Does nothing on PostgreSQL."""
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
    """Checkpoints until `ended`. Leaves the database closed if nothing was written since the last full checkpoint."""
    database, done = Path(str(engine.url.database)), None
    while not ended.wait(TICK):
        found = [_look_at(database), _look_at(database.with_name(f"{database.name}-wal"))]
        # disk errors and replaced files are reported by the writer, which meets them too
        with suppress(DBAPIError, Unavailable):
            if found != done and _is_carried(engine):
                done = found


def _look_at(path: Path) -> tuple[int, int, int] | None:
    """Inode, size and modification time of the file; None if it does not exist."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_carried(engine: Engine) -> bool:
    """Checkpoints as far as readers allow; returns whether nothing is left."""
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        _, pages, carried = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
    return bool(pages == carried)
