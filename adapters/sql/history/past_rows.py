"""Rows of streams as of a time: the stored row if nothing was learnt since, else a fold of the log."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from adapters.sql.history.historical import Arrival, HistoricalRow, arrival_of, was_named
from adapters.sql.history.past_states import PastStates
from adapters.sql.history.snapshots import Snapshots
from adapters.sql.projections.projection import Code, Projection, measurement_rows, projection_row, with_conflicts
from adapters.sql.projections.refold import PROJECTIONS
from adapters.sql.queries.as_of import StreamRow
from adapters.sql.queries.settled import Unchanged
from adapters.sql.queries.streams import Projected
from adapters.sql.reads.reads import Reads
from core.clocks import Clocks, covers
from core.folding import fold
from core.states.records import KEPT
from core.states.state import NEWEST

AT_ONCE = 20
"""The streams that are read and folded together, even if the caller stops before."""


class PastRows:
    """Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, reads: Reads, code: Code, states: PastStates) -> None:
        self._reads = reads
        self._code = code
        self._states = states
        self._snapshots = Snapshots()

    def find(
        self, some: Sequence[StreamRow], clocks: Clocks, stored: Mapping[str, HistoricalRow] = MappingProxyType({})
    ) -> Iterator[tuple[StreamRow, HistoricalRow | None]]:
        """The row of each stream that had begun; None if it was erased.

        Streams that are not in `stored` are folded as the caller iterates.
        """
        changed = [named for named in some if named.stream not in stored]
        long = self._states.long(changed)
        short = self.whole([named for named in changed if named.stream not in long], clocks)
        following = next(short, None)
        for named in some:
            if named.stream in stored:
                yield named, stored[named.stream]
            elif named.stream in long:
                yield from self._of_long(named, long[named.stream], clocks)
            elif following is not None and following[0] is named:
                yield following
                following = next(short, None)

    def _of_long(
        self, named: StreamRow, row: Projected, clocks: Clocks
    ) -> Iterator[tuple[StreamRow, HistoricalRow | None]]:
        found = self._states.find(row, clocks)
        if found is None:
            yield from self.whole([named], clocks)
        elif found.begun or was_named(named, clocks):
            told = self._row(named, found.snapshot, found.conflicts, found.version)
            told.left = partial(self._states.left, found)
            yield named, told

    def whole(self, some: Sequence[StreamRow], clocks: Clocks) -> Iterator[tuple[StreamRow, HistoricalRow | None]]:
        """Like `find`, folded from the first event of each stream."""
        if not some:
            return
        repeats = self._reads.repeats(some, clocks)
        begun = [named for named in some if named.stream in repeats or was_named(named, clocks)]
        for start in range(0, len(begun), AT_ONCE):
            some = begun[start : start + AT_ONCE]
            snapshots = self._snapshots_of(some, clocks)
            for named in some:
                snapshot, its = snapshots[named.stream], repeats.get(named.stream, [])
                conflicts = [repeat.position for repeat in its if repeat.verdict == "conflict"]
                version = self._machine_of(named).fingerprint
                yield named, None if snapshot is None else self._row(named, snapshot, conflicts, version)

    def stored(self, some: Sequence[StreamRow], which: Unchanged, *, measured: bool) -> dict[str, HistoricalRow]:
        """The rows of the streams of which nothing has become known since, by our ids.

        With `measured`, the rows have the measurements of sessions, without sessions that some may have left.
        """
        whole = [named for named in some if named.erased is None]
        found = self._reads.settled(whole, which)
        conflicts = {named: _positions(found[named.stream]["conflicts"]) for named in whole if named.stream in found}
        known = self._known(conflicts, which.clocks)
        rows = {}
        for named, doubled in conflicts.items():
            columns = found[named.stream]
            if len(doubled) < NEWEST:  # the row has no more than the newest
                then = [position for position in doubled if position in known]
                rows[named.stream] = self._stored(named, columns, then, alters=bool(doubled), measured=measured)
        return {stream: row for stream, row in rows.items() if row is not None}

    def _stored(
        self, named: StreamRow, columns: dict[str, Any], conflicts: Sequence[int], *, alters: bool, measured: bool
    ) -> HistoricalRow | None:
        """`alters`: the row has conflicts, which may differ from those known then."""
        if not (alters or measured):
            return HistoricalRow(named, columns, {})
        row = self._row(named, columns["snapshot"], conflicts, columns["fingerprint"])
        left = measured and len(row.of_measurements) >= KEPT
        return None if left else row

    def _known(self, conflicts: Mapping[StreamRow, Sequence[int]], clocks: Clocks) -> set[int]:
        """The positions of those conflicts that were known."""
        at: dict[str, list[int]] = {}
        for named, positions in conflicts.items():
            at.setdefault(named.source, []).extend(positions)
        return {one for source, its in at.items() if its for one in self._reads.conflicts(source, sorted(its), clocks)}

    def _row(self, named: StreamRow, snapshot: bytes, conflicts: Sequence[int], version: str) -> HistoricalRow:
        one = self._projection(named, snapshot, version)
        one.conflicts = with_conflicts("", conflicts)
        columns = dict(zip(PROJECTIONS.names, projection_row(self._code.ids, one), strict=True))
        columns["snapshot"] = snapshot  # with all runs that no rows hold
        return HistoricalRow(named, columns, measurement_rows(self._code.ids, one))

    def _projection(self, named: StreamRow, snapshot: bytes, version: str) -> Projection:
        machine = self._machine_of(named)
        one = Projection(named.source, named.stream, named.kind, named.provider_id or "", machine, version)
        one.opened, one.base, one.state = named.opened, named.base(), fold.decode(machine, snapshot)
        return one

    def _snapshots_of(self, some: Sequence[StreamRow], clocks: Clocks) -> dict[str, bytes | None]:
        """The folded states, from the cache if possible. An erased stream is always folded, onto its kept state."""
        keys = {
            named.stream: (
                self._machine_of(named).fingerprint,
                named.source,
                named.stream,
                clocks.position,
                clocks.as_of,
            )
            for named in some
        }
        kept = {named.stream: self._snapshots.get(keys[named.stream]) for named in some if named.erased is None}
        found: dict[str, bytes | None] = {stream: snapshot for stream, snapshot in kept.items() if snapshot is not None}
        for named, arrivals in self.arrivals([named for named in some if named.stream not in found], clocks):
            snapshot = found[named.stream] = None if arrivals is None else self._fold(named, arrivals)
            if snapshot is not None:
                self._snapshots.keep(keys[named.stream], snapshot)
        return found

    def _fold(self, named: StreamRow, arrivals: Sequence[Arrival]) -> bytes:
        machine, settings = self._machine_of(named), self._code.sources[named.source].settings
        events = [one.event for one in arrivals if one.foldable]
        base = named.base()
        return fold.encode(fold.fold(machine, events, settings, base and base.state(machine)))

    def arrivals(self, some: Sequence[StreamRow], clocks: Clocks) -> Iterator[tuple[StreamRow, list[Arrival] | None]]:
        """The events of each stream that the query covers; None if some that it needs were erased."""
        gone = {named.stream for named in some if named.erased is not None and _needs(clocks, named.erased)}
        events = self._reads.events_of([named for named in some if named.stream not in gone], clocks.position)
        for named in some:
            read = self._code.sources[named.source].read
            found = [arrival_of(read, *row) for row in events.pop(named.stream, [])]
            yield named, None if named.stream in gone else [one for one in found if covers(clocks, one.event)]

    def _machine_of(self, named: StreamRow) -> fold.StateMachine:
        return self._code.machine_of(named.source, named.kind)


def _needs(clocks: Clocks, erased: int) -> bool:
    """Whether a query needs what was known before the erasure, which the event at this position records."""
    return clocks.as_of is not None or clocks.position < erased


def _positions(told: str) -> list[int]:
    return [int(position) for position in told.split(",") if position]
