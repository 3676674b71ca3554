"""What a process may read of the projections: the versions that its own code folds, brought up to the log first."""

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
"""So many marked streams one question folds; where more wait, the next question goes on, and the log is read."""

_NOTHING = VersionMap("", {}, nothing_pending=False)


class Current:
    """Any thread may ask. Every method raises Unavailable while the database is away."""

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
        """Whether this code's versions can be read. Streams that others' appends left to it are folded first.

        False: what is asked has to be folded from the log, also where streams are left and nothing may be written.
        """
        with self._transactions.reading() as cursor:
            now = self._look(cursor)
            left = not now.nothing_pending and now.is_built() and any_dirty(cursor, self._dialect, now.versions())
        return now.is_built() and (not left or (not self._transactions.read_only and self._catch_up(now.versions())))

    def folded(self) -> tuple[int, int]:
        """The log's last position, and the one up to which all is folded: long streams may be behind."""
        with self._transactions.reading() as cursor:
            versions = self._look(cursor).versions()
            left = first_left_beside(cursor, self._dialect, versions)
            head = head_of(cursor)
        return head, head if left is None else min(head, left - 1)

    def built(self) -> list[str]:
        """The versions of this code, none where not all of them are built. Nothing is folded for the question."""
        with self._transactions.reading() as cursor:
            now = self._look(cursor)
        return now.versions() if now.is_built() else []

    def status(self) -> Status:
        """How far every version is."""
        with self._transactions.reading() as cursor:
            return status_of(cursor, self._dialect, self._code.machines)

    def _look(self, cursor: Any) -> VersionMap:
        at = epoch(cursor)
        if at != self._version_map.epoch:
            self._version_map = version_map(cursor, self._dialect, self._code.machines, all_versions(cursor), at)
        return self._version_map

    def _catch_up(self, versions: Sequence[str]) -> bool:
        """Folds marked streams under the append lock, as an append would; False where more of them are left.

        Long ones are left to the thread that folds them beside the appends.
        """
        with self._transactions.turn() as cursor:
            streams = [one for version in versions for one in waiting(cursor, self._dialect, version, AT_ONCE)]
            for one in streams[:AT_ONCE]:
                if is_long(cursor, self._dialect, one.source, one.opened, one.stream):
                    leave_beside(cursor, self._dialect, one.key, one.opened, whole=True)
                else:
                    self._refolder.catch_up(cursor, [one])
        return len(streams) <= AT_ONCE
