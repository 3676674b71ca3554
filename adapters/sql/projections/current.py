"""The projections that a process may read: those of its own code, brought up to date first."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from adapters.sql.database.joins import head_of
from adapters.sql.database.transactions import Transactions
from adapters.sql.projections.dirty_streams import any_dirty, first_left_beside, is_long, leave_beside, waiting
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.status import Status, status_of
from adapters.sql.projections.versions import VersionMap, all_versions, epoch, version_map

AT_ONCE = 200
"""The most marked streams that one query folds. If more wait, it reads the log, and the next query folds on."""

_NOTHING = VersionMap("", {}, nothing_pending=False)


class Current:
    """Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine, code: Code) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._version_map = _NOTHING

    @property
    def versions(self) -> list[str]:
        """The versions of this code, as `is_built` last found them."""
        return self._version_map.versions()

    def is_built(self) -> bool:
        """Whether this code's versions can be read. Folds the streams that other releases' appends marked for it first.

        False means that the query must fold from the log, for example because the database is read-only.
        """
        with self._transactions.reading() as cursor:
            now = self._look(cursor)
            left = not now.nothing_pending and now.is_built() and any_dirty(cursor, self._dialect, now.versions())
        return now.is_built() and (not left or (not self._transactions.read_only and self._catch_up(now.versions())))

    def folded(self) -> tuple[int, int]:
        """The log's last position, and the position up to which everything is folded: long streams may lag."""
        with self._transactions.reading() as cursor:
            versions = self._look(cursor).versions()
            left = first_left_beside(cursor, self._dialect, versions)
            head = head_of(cursor)
        return head, head if left is None else min(head, left - 1)

    def built(self) -> list[str]:
        """The versions of this code, if all of them are built, else none. Folds nothing."""
        with self._transactions.reading() as cursor:
            now = self._look(cursor)
        return now.versions() if now.is_built() else []

    def status(self) -> Status:
        """The progress of every version."""
        with self._transactions.reading() as cursor:
            return status_of(cursor, self._dialect, self._code.machines)

    def _look(self, cursor: Any) -> VersionMap:
        at = epoch(cursor)
        if at != self._version_map.epoch:
            self._version_map = version_map(cursor, self._dialect, self._code.machines, all_versions(cursor), at)
        return self._version_map

    def _catch_up(self, versions: Sequence[str]) -> bool:
        """Folds marked streams under the append lock, as an append does; False if more are left.

        Leaves long streams to the background thread.
        """
        with self._transactions.turn() as cursor:
            streams = [one for version in versions for one in waiting(cursor, self._dialect, version, AT_ONCE)]
            for one in streams[:AT_ONCE]:
                if is_long(cursor, self._dialect, one.source, one.opened, one.stream):
                    leave_beside(cursor, self._dialect, one.key, one.opened, whole=True)
                else:
                    self._refolder.catch_up(cursor, [one])
        return len(streams) <= AT_ONCE
