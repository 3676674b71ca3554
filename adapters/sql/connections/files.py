"""Watches the files of an open SQLite database. If the path names other files, writes to the open ones are lost."""

import os
import sqlite3
import time
from pathlib import Path
from threading import Lock

import structlog

from adapters.sql.database.exceptions import Unavailable

Noted = tuple[tuple[int, int] | None, ...]
"""Device and inode of the database, its write-ahead log and its shared memory."""

_LOOKS, _BETWEEN = 3, 0.02
"""The number of looks, and the seconds between them, while another process may be opening or closing the files."""

_logger = structlog.get_logger()


class DatabaseFiles:
    """The files that the path named at the first connection. Later connections must find the same ones.

    `noted` comes from another process of the service. With `keeps`, a permanent connection holds the files open, as in
    the process that noted them: SQLite creates new files only if nobody has the old ones open. `line` is the file of
    the write queue.
    """

    def __init__(self, path: Path, noted: Noted | None = None, *, keeps: bool = False) -> None:
        self.path = path.absolute()
        self.noted = noted
        self._keeps = keeps or noted is None
        self.line = self.path.with_name(f"{self.path.name}-line")
        self._all = [str(self.path), f"{self.path}-wal", f"{self.path}-shm"]
        self._kept: sqlite3.Connection | None = None
        self._told = False
        self._lock = Lock()

    def before(self) -> None:
        """Call before connecting, since a connection creates missing files. Raises Unavailable."""
        if self.noted is not None:
            self.check()
        elif not self.path.exists():
            raise Unavailable(f"there is none at {self.path}")
        elif all(self._is_halved(pause) for pause in [0.0] + [_BETWEEN] * (_LOOKS - 1)):
            raise Unavailable(
                f"{self._all[1]} was removed while {self.path.name} was in use: stop whoever uses it; "
                f"if nobody does, remove {self._all[2]}, and what was not carried over is lost"
            )

    def opened(self) -> None:
        """Call after the connection's first read. Raises Unavailable."""
        with self._lock:
            if self._keeps and self._kept is None:
                self._kept = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self._kept.execute("SELECT count(*) FROM sqlite_master").fetchone()
                self.noted = self.noted or self.look()
        self.check()

    def close(self) -> None:
        """Call when no connection is open any more."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = self.noted = None

    def check(self) -> None:
        """Raises Unavailable if the path names other files now. The message says what happened and what to do."""
        found = self.look()
        if found == self.noted:
            if self._told:
                self._told = False
                _logger.warning("database_back", file=str(self.path))
            return
        reason = self._reason(found)
        if self._kept is not None and not self._told:
            self._told = True
            _logger.error("database_gone", reason=reason)
        raise Unavailable(reason)

    def wal_bytes(self) -> int:
        """The size of the write-ahead log in bytes."""
        return Path(self._all[1]).stat().st_size

    def look(self) -> Noted:
        """The files that the path names now."""
        return tuple(map(_identity, self._all))

    def _is_halved(self, pause: float) -> bool:
        """Whether only one companion file exists: SQLite creates the log first and removes it last."""
        time.sleep(pause)
        return _identity(self._all[2]) is not None and _identity(self._all[1]) is None

    def _reason(self, found: Noted) -> str:
        noted = self.noted or found
        name, is_there = next(
            (name, now) for name, now, then in zip(self._all, found, noted, strict=True) if now != then
        )
        if name == self._all[0]:
            what = f"another file stands at {name}" if is_there else f"{name} was moved or removed"
            return f"{what} while the service had it open: put that one back, or restart with the one that is meant"
        what = "replaced" if is_there else "removed"
        saved = self._carry() if found[0] == noted[0] and not is_there else ""
        return f"{name} was {what} while the service had it open: restart the service{saved}"

    def _carry(self) -> str:
        """Checkpoints the open write-ahead log, so that acknowledged data reaches the database."""
        if self._kept is None:
            return ""
        with self._lock:
            _, held, carried = self._kept.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return f"; what was committed is safe in {self.path.name}" if held == carried else ""


class CheckedConnection(sqlite3.Connection):
    """A connection that checks before and after each commit that the path still names its files."""

    files: DatabaseFiles

    def commit(self) -> None:
        self.files.check()
        super().commit()
        self.files.check()


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116 - asked twice for each commit
    except OSError:
        return None
    return found.st_dev, found.st_ino
