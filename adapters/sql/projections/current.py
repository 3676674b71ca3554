"""What a process may read of the projections: the versions that its own code folds, brought up to the log first."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Engine

from adapters.sql.database.transactions import Transactions
from adapters.sql.projections.dirty_streams import any_waiting, waiting
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.status import Status, status_of
from adapters.sql.projections.versions import Standing, all_versions, epoch, standing

AT_ONCE = 200
"""So many marked streams one question folds; where more wait, the next question goes on, and the log is read."""

_NOTHING = Standing("", {}, plain=False)


class Current:
    """Any thread may ask. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine, code: Code) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._standing = _NOTHING

    @property
    def versions(self) -> list[str]:
        """The versions of this code, as `is_built` last found them."""
        return self._standing.versions()

    def is_built(self) -> bool:
        """Whether this code's versions can be read. Streams that others' appends left to it are folded first.

        False: what is asked has to be folded from the log.
        """
        with self._transactions.reading() as cursor:
            now = self._look(cursor)
            left = not now.plain and now.is_built() and any_waiting(cursor, self._dialect, now.versions())
        return now.is_built() and (not left or self._catch_up(now.versions()))

    def status(self) -> Status:
        """How far every version is."""
        with self._transactions.reading() as cursor:
            return status_of(cursor, self._dialect, self._code.machines)

    def _look(self, cursor: Any) -> Standing:
        at = epoch(cursor)
        if at != self._standing.epoch:
            self._standing = standing(cursor, self._dialect, self._code.machines, all_versions(cursor), at)
        return self._standing

    def _catch_up(self, versions: Sequence[str]) -> bool:
        """Folds marked streams under the append lock, as an append would; False where more of them are left."""
        with self._transactions.turn() as cursor:
            streams = [one for version in versions for one in waiting(cursor, self._dialect, version, AT_ONCE)]
            self._refolder.catch_up(cursor, streams[:AT_ONCE])
        return len(streams) <= AT_ONCE
