"""Parts of a long stream as of a time, from those of the present prefixes that hold no later event."""

from collections.abc import Collection
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import Connection

from adapters.sql.history.part_reader import ALL, PartReader, StoredPrefix, others_in
from adapters.sql.queries import parts
from adapters.sql.queries.streams import Measured, Projected
from core.clocks import Clocks
from core.event import Instant
from core.folding import fold
from core.folding.prefixes import is_over_by, is_past, lies_in_time


class _Ahead(NamedTuple):
    """A prefix without its state. `at` is when its last event happened, if the query needs that."""

    position: int
    last: int
    others: list[int]
    run: int
    at: Instant | None


class PastPartReader(PartReader):
    """Reads parts of a stream as it was at a query's clocks.

    A prefix belongs to the past if everything in it was known and had happened by then. With `as_of`, its last event
    must be among those up to its position: then its later events were late for one that had happened.
    """

    def __init__(self, connection: Connection, row: Projected | Measured, clocks: Clocks) -> None:
        super().__init__(connection, row)
        self._clocks = clocks
        self._machine = fold.MACHINES[row.machine]
        self._snapshot = b""
        self.conflicts = ""

    def newest(self, most: int, before: int = ALL) -> list[tuple[int, int]]:
        """See `PartReader`."""
        found = [(one.position, one.run) for one in self._known if one.position < before]
        return found[: -most - 1 : -1]

    def _is_current(self, position: int, conflicts: str, snapshot: bytes) -> bool:  # noqa: ARG002 - it may have moved on
        """Stores the present's conflicts and snapshot."""
        self.conflicts, self._snapshot = conflicts, bytes(snapshot)
        return True

    def _last_before(self, position: int) -> StoredPrefix | None:
        found = (self._at(one) for one in reversed(self._known) if one.position < position)
        return next((one for one in found if self._is_over(one)), None)

    def _first_from(self, position: int) -> StoredPrefix | None:
        found = next((self._at(one) for one in self._known if one.position >= position), None)
        return found if found is not None and self._is_over(found) else None

    def _at(self, one: _Ahead) -> StoredPrefix:
        found = self._prefix(parts.FIRST_FROM, one.position)
        if found is None:
            raise LookupError("a transaction sees one state")
        return found

    def _is_over(self, one: StoredPrefix) -> bool:
        as_of = self._clocks.as_of
        return as_of is None or is_over_by(self._machine, fold.decode(self._machine, one.snapshot), as_of)

    @cached_property
    def _all(self) -> list[_Ahead]:
        """The prefixes up to the query's position."""
        asked = parts.AHEAD if self._clocks.as_of is None else parts.AHEAD_IN_TIME
        found = self._asked(asked, *self._own, self._clocks.position)
        return [_Ahead(position, last, others_in(held), run, at) for position, last, held, run, at in found]

    @cached_property
    def _known(self) -> list[_Ahead]:
        """The prefixes of the past, as far as that can be decided without their states."""
        position, as_of = self._clocks.position, self._clocks.as_of
        known = [one for one in self._all if all(other <= position for other in one.others)]
        if as_of is None:
            return known
        return [one for one in known if one.last <= one.position and one.at is not None and one.at <= as_of]

    def _bounds(self, end: StoredPrefix | None) -> tuple[int, Collection[int]]:
        if end is not None:
            return super()._bounds(end)
        position, past = self._clocks.position, self._first_past()
        return (position, ()) if past is None else (past.position, [one for one in past.others if one <= position])

    def _first_past(self) -> _Ahead | None:
        """The prefix after which nothing had happened yet; None if none is known."""
        as_of = self._clocks.as_of
        if as_of is None or not lies_in_time(self._machine, fold.decode(self._machine, self._snapshot)):
            return None
        past = (one for one in self._all if one.at is not None and is_past(self._machine, as_of, one.at))
        return next(past, None)
