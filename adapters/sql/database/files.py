"""The files of an SQLite database while it is open. A path may come to name others; what is written then is lost."""

import os
import sqlite3
import time
from pathlib import Path
from threading import Lock

import structlog

from adapters.sql.database.exceptions import Unavailable

Noted = tuple[tuple[int, int] | None, ...]
"""Device and inode of the database, of its write-ahead log and of its shared memory."""

_LOOKS, _BETWEEN = 3, 0.02
"""Looks, and seconds between two, at what another process may just be closing or opening."""

_logger = structlog.get_logger()


class DatabaseFiles:
    """Which files the path named when the first connection was made. The others have to find the same ones there.

    `noted`: by another process of the service. `keeps`: with a connection of its own that lasts, as does whoever noted
    them: SQLite itself takes new files only where nobody has the old ones open. `line`: where writers wait.
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
        """Before a connection is made, which would make what is missing. Raises Unavailable."""
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
        """Once a connection is made and has read. Raises Unavailable."""
        with self._lock:
            if self._keeps and self._kept is None:
                self._kept = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
                self._kept.execute("SELECT count(*) FROM sqlite_master").fetchone()
                self.noted = self.noted or self.look()
        self.check()

    def close(self) -> None:
        """Nobody has them open any more."""
        with self._lock:
            if self._kept is not None:
                self._kept.close()
                self._kept = self.noted = None

    def check(self) -> None:
        """Raises Unavailable where the path names others now: the text says what happened and what mends it."""
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
        """The size of the write-ahead log."""
        return Path(self._all[1]).stat().st_size

    def look(self) -> Noted:
        """Which files the path names now."""
        return tuple(map(_identity, self._all))

    def _is_halved(self, pause: float) -> bool:
        """SQLite makes the log before the shared memory, and removes it behind that."""
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
        """What was acknowledged is still in the log that this process has open: it goes over into the database."""
        if self._kept is None:
            return ""
        with self._lock:
            _, held, carried = self._kept.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return f"; what was committed is safe in {self.path.name}" if held == carried else ""


class CheckedConnection(sqlite3.Connection):
    """Commits only where what it writes to is what the path names, before and behind."""

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
