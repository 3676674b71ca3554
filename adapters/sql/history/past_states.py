"""A long stream's state as of a time, folded from the last prefix before it: only the events in between are read."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection

from adapters.sql.database.tables import measurements
from adapters.sql.history.part_reader import ALL, StoredPart, StoredPrefix
from adapters.sql.history.parts import Row, StreamPart, StreamParts
from adapters.sql.history.past_parts import PastPartReader
from adapters.sql.history.shared import once
from adapters.sql.projections.current import Current
from adapters.sql.projections.projection import Code, record_in
from adapters.sql.queries.as_of import StreamRow
from adapters.sql.queries.parts import conflicts_of, long_streams, measurements_before
from adapters.sql.queries.streams import Projected
from adapters.sql.reads.reads import Reads
from core.clocks import Clocks
from core.folding import fold
from core.states.state import NEWEST

MEASURED = 50
"""The measurements read by one statement."""

_RECORD, _OPENED = list(measurements.c.keys()).index("record"), list(measurements.c.keys()).index("opened")


class ChangedLater(Exception):
    """A measurement that had left the state has changed since, so the whole session must be folded."""


class PastState(NamedTuple):
    """A stream's state at a query's clocks, as its version folds it, without what has left it.

    `conflicts` holds the positions of the conflicts known then. `begun`: there were events. `row` is the stream's
    present row, `first` the prefix from which the state was folded.
    """

    snapshot: bytes
    conflicts: list[int]
    begun: bool
    row: Projected
    first: StoredPrefix | None

    @property
    def version(self) -> str:
        """The version to which its prefixes belong."""
        return self.row.fingerprint


class PastStates:
    """Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, reads: Reads, code: Code, current: Current, parts: StreamParts) -> None:
        self._reads = reads
        self._code = code
        self._current = current
        self._parts = parts

    def long(self, some: Sequence[StreamRow]) -> dict[str, Projected]:
        """The present rows of those streams that have prefixes, by our ids."""
        whole = [named for named in some if named.erased is None]
        versions = once("built", self._current.built) if whole else []
        if not versions:
            return {}
        with self._reads.connected() as connection:
            rows = [Projected._make(row) for row in connection.execute(long_streams(whole, versions))]
        return {row.stream: row for row in rows}

    def find(self, row: Projected, clocks: Clocks) -> PastState | None:
        """The past state of a long stream; None if the whole stream must be folded."""
        return once(("state", row, clocks), partial(self._find, row, clocks))

    def _find(self, row: Projected, clocks: Clocks) -> PastState | None:
        with self._parts.held_still() as connection:
            stored, conflicts = self._newest(connection, row, clocks)
            found = None if stored is None else self._parts.following(connection, row, stored, clocks)
            known = self._conflicts(connection, row, conflicts, clocks)
        if stored is None or found is None or known is None:
            return None
        machine, settings, part = fold.MACHINES[row.machine], self._code.sources[row.source].settings, found[0]
        if stored.first is None:
            part.state = fold.fold(machine, part.events, settings)
        elif not fold.fold_on(machine, part.state, part.events, settings, part.gone):
            return None
        return PastState(fold.encode(part.state), known, part.state.events > 0, row, stored.first)

    @staticmethod
    def _newest(connection: Connection, row: Row, clocks: Clocks) -> tuple[StoredPart | None, str]:
        """The part after the past's last prefix, and the present's conflicts."""

        def read() -> tuple[StoredPart | None, str]:
            reader = PastPartReader(connection, row, clocks)
            return reader.read(ALL, ALL, 0), reader.conflicts

        return once(("newest", row.source, row.stream, row.fingerprint, clocks), read)

    def _conflicts(self, connection: Connection, row: Projected, told: str, clocks: Clocks) -> list[int] | None:
        """The conflicts known then; None if the row, which has only the newest ones, may lack one."""
        at = [int(position) for position in told.split(",") if position]
        if len(at) >= NEWEST:
            return None
        return sorted(connection.execute(conflicts_of(row, at, clocks)).scalars()) if at else []

    def since(self, row: Row, before: Clocks, after: Clocks, most: int) -> StreamPart | None:
        """The part at the clocks `after` that follows a prefix of what was known `before`.

        It has everything known before, and at least `most` later events unless the stream ends. None if the whole
        stream is needed.
        """
        if row.fingerprint not in once("built", self._current.built):
            return None
        with self._parts.held_still() as connection:
            earlier, _ = self._newest(connection, row, before)
            if earlier is None:
                return None
            start = 0 if earlier.first is None else earlier.first.position
            later, count = PastPartReader(connection, row, after), len(earlier.rows) + most + 1
            while (stored := later.read(start + 1, None, count)) is not None:
                found = self._parts.following(connection, row, stored, after)
                if found is None:
                    return None
                came = sum(event.position > before.position for event in found[0].events)
                if stored.until is None or (stored.until.position >= before.position and came >= most):
                    return StreamPart(*found, [], at_end=stored.until is None)
                count *= 4
        return None

    def left(self, one: PastState) -> Iterator[Any]:
        """Rows of the measurements that had left the prefix, the newest first. Raises ChangedLater."""
        if one.first is None or one.row.machine != "measurement":
            return
        held = one.first.held()
        here = {record.position for record in fold.decode(fold.MACHINES["measurement"], one.first.snapshot).records()}
        before = max([one.first.position, *held]) + 1
        while rows := self._before(one.row, before):
            for row in rows:
                began = row[_OPENED]
                if (began <= one.first.position or began in held) and began not in here:
                    yield self._unchanged(row, one.first.position, held)
            before = rows[-1][_OPENED]

    def _before(self, row: Projected, opened: int) -> list[Any]:
        with self._reads.connected() as connection:
            return list(connection.execute(measurements_before(row, opened, MEASURED)))

    def _unchanged(self, row: Any, position: int, held: frozenset[int]) -> Any:
        if row[_RECORD] is None:
            raise ChangedLater
        last = record_in(row[_RECORD]).last
        if last > position and last not in held:
            raise ChangedLater
        return row
