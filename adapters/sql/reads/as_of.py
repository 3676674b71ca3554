"""Temporal reads: streams folded from the log as of a time, as known at a position, or both (bitemporal).

The rows look like those of `projections` and `measurements` but are computed for each question.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

from adapters.sql.projections.current import Current
from adapters.sql.projections.projection import Code, Projection, measurement_rows, projection_row, with_conflicts
from adapters.sql.projections.refold import PROJECTIONS
from adapters.sql.reads.filters import MEASUREMENT_FILTERS, is_wanted
from adapters.sql.reads.historical import Arrival, HistoricalRow, StreamHistory, arrival_of, was_named
from adapters.sql.reads.parts import StreamPart, StreamParts
from adapters.sql.reads.past_states import ChangedLater, PastStates
from adapters.sql.reads.reads import Reads
from adapters.sql.reads.reads_as_of import Named
from adapters.sql.reads.reads_settled import Unchanged, unwanted
from adapters.sql.reads.reads_streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.reads.shared import once
from adapters.sql.reads.snapshots import Snapshots
from core import fold
from core.clocks import Clocks, covers
from core.event import Instant
from core.machines.records import KEPT

EXAMINED = 5_000
"""A page of a list looks at no more streams than these, however few of them the filters leave."""

FOLDED = 40
"""And folds no more than these, and a chunk of them: of the others nothing has become known since."""

_CHUNK = 80


class Erased(Exception):
    """The stream's bodies are gone: what was known of it earlier cannot be folded any more."""


class TemporalReads:
    """Any thread may ask. Every method raises Unavailable while the database is away."""

    def __init__(self, reads: Reads, code: Code, current: Current) -> None:
        self.reads = reads
        self._code = code
        self._current = current
        self._snapshots = Snapshots()
        self.parts = StreamParts(reads, code, current)
        self._states = PastStates(reads, code, current, self.parts)

    def clocks(
        self, *, as_of: Instant | None = None, known_at: Instant | None = None, position: int | None = None
    ) -> Clocks:
        """What a question is about. Of `known_at` and a position, the earlier one."""

        def found() -> Clocks:
            known = self.reads.head() if known_at is None else self.reads.position_at(known_at)
            return Clocks(known if position is None else min(position, known), as_of, known_at)

        asked = (as_of, known_at, position)
        return found() if asked == (None, None, None) else once(("clocks", *asked), found)

    def stream(self, name: str, clocks: Clocks) -> Projected | None:
        """One stream by our id; None where nothing was known of it. Raises Erased."""
        row = self._one(name, clocks)
        return row.projected() if row else None

    def history(self, name: str, clocks: Clocks) -> StreamHistory | None:
        """One stream's events; None where nothing was known of it. Raises Erased."""
        return once(("history", name, clocks), lambda: self._history(name, clocks))

    def _history(self, name: str, clocks: Clocks) -> StreamHistory | None:
        for named in self._find(name, clocks):
            ((_, arrivals),) = self._arrivals([named], clocks)
            if arrivals is None:
                raise Erased(named.stream)
            return StreamHistory(named, arrivals, self.reads.repeats([named], clocks).get(named.stream, []))
        return None

    def since(self, row: Projected | Measured, before: Clocks, after: Clocks, most: int) -> StreamPart | None:
        """Of a long stream, from a prefix on: what was known before, and the first events that came since, or more.

        `row` is that of the clocks `after`. None where it has to be told as a whole.
        """
        return self._states.since(row, before, after, most)

    def doubled(self, row: Projected, clocks: Clocks) -> dict[int, int]:
        """How often the keys of a stream's events came again with the same body, by position."""
        named = Named(row.source, row.stream, row.kind, row.provider_id, row.opened)
        repeats = self.reads.repeats([named], clocks).get(named.stream, [])
        return {repeat.position: repeat.times for repeat in repeats if repeat.verdict == "duplicate"}

    def streams(self, wanted: WantedStreams, clocks: Clocks) -> tuple[list[Projected], int | None]:
        """A page, and the `opened` before which the next one goes on; None at the list's end.

        It holds fewer than `wanted.limit`, even none, where few of the streams that were examined are wanted.
        """
        which = self.settled(clocks)
        found = self._streams(wanted, which)
        return found if self.settled(clocks).sources == which.sources else self.streams(wanted, clocks)

    def _streams(self, wanted: WantedStreams, which: Unchanged) -> tuple[list[Projected], int | None]:
        page: list[Projected] = []
        candidates = _Candidates(self, wanted, which, wanted)
        for named, row in candidates:
            if row is not None and row.is_wanted(wanted):
                page.append(row.projected())
            if len(page) == wanted.limit:
                return page, named.opened
        return page, candidates.following

    def measurements(self, wanted: WantedMeasurements, clocks: Clocks) -> tuple[list[Measured], tuple[int, int] | None]:
        """A page of measurements, those of the newest session first; and the keyset of the next one, or None.

        A keyset is the `opened` of a session and of a measurement, exclusive as `wanted.before`.
        """
        which = self.settled(clocks)
        found = self._measurements(wanted, which)
        return found if self.settled(clocks).sources == which.sources else self.measurements(wanted, clocks)

    def _measurements(
        self, wanted: WantedMeasurements, which: Unchanged
    ) -> tuple[list[Measured], tuple[int, int] | None]:
        page: list[Measured] = []
        candidates = _Candidates(self, self._sessions(wanted), which, wanted)
        for named, row in candidates:
            for found, columns in self._measured(named, row, which.clocks) if row else ():
                before = wanted.before is None or (named.opened, found.opened) < wanted.before
                if before and is_wanted(MEASUREMENT_FILTERS, columns, wanted):
                    page.append(found)
                if len(page) == wanted.limit:
                    return page, (named.opened, found.opened)
        return page, None if candidates.following is None else (candidates.following, 0)

    def measured(self, session: str, clocks: Clocks) -> Iterator[Measured]:
        """The measurements of one session by our id, the newest first. Raises Erased."""
        row = self._one(session, clocks)
        for found, _ in self._measured(row.named, row, clocks) if row else ():
            yield found

    def _measured(self, named: Named, row: HistoricalRow, clocks: Clocks) -> Iterator[tuple[Measured, dict[str, Any]]]:
        told: Measured | None = None
        try:
            for told, columns in row.measured():
                yield told, columns
        except ChangedLater:
            for _, whole in self._whole([named], clocks):
                rows = whole.measured() if whole else ()
                yield from (one for one in rows if told is None or one[0].opened < told.opened)

    def _sessions(self, wanted: WantedMeasurements) -> WantedStreams:
        """The sessions that may have what is wanted; the one of the keyset once more, where it has a rest."""
        scans = [name for name, source in self._code.sources.items() if source.machine_of("session") == "measurement"]
        return WantedStreams(
            kind="session",
            fingerprints=(),
            limit=wanted.limit,
            before=None if wanted.before is None else wanted.before[0] + bool(wanted.before[1]),
            sources=[name for name in scans if wanted.sources is None or name in wanted.sources],
            streams=wanted.streams,
        )

    def settled(self, clocks: Clocks) -> Unchanged:
        """Which of the stored rows hold what a question is about."""
        received = clocks.position if clocks.as_of is None else self.reads.position_at(clocks.as_of)
        with self.reads.together():
            sources = [name for name in self._code.sources if not self.reads.has_any("retractions", name)]
        return Unchanged(clocks, sources, self._current.built(), received)

    def sources(self, wanted: WantedStreams) -> list[str]:
        """Those whose streams can be folded here, of those that are wanted."""
        return [name for name in self._code.sources if wanted.sources is None or name in wanted.sources]

    def _one(self, name: str, clocks: Clocks) -> HistoricalRow | None:
        return once(("row", name, clocks), lambda: self._folded(name, clocks))

    def _folded(self, name: str, clocks: Clocks) -> HistoricalRow | None:
        for named, row in self.rows(self._find(name, clocks), clocks):
            if row is None:
                raise Erased(named.stream)
            return row
        return None

    def _find(self, name: str, clocks: Clocks) -> list[Named]:
        return self.reads.named(clocks, 1, kind=None, sources=list(self._code.sources), names=[name])

    def rows(
        self, some: Sequence[Named], clocks: Clocks, stored: Mapping[str, HistoricalRow] = MappingProxyType({})
    ) -> Iterator[tuple[Named, HistoricalRow | None]]:
        """The row of each stream that had begun; None where it was erased. What is not `stored` is folded."""
        changed = [named for named in some if named.stream not in stored]
        long = self._states.find(changed, clocks)
        short = dict(self._whole([named for named in changed if named.stream not in long], clocks))
        for named in some:
            if named.stream in stored:
                yield named, stored[named.stream]
            elif (found := long.get(named.stream)) is None:
                if named in short:
                    yield named, short[named]
            elif found.begun or was_named(named, clocks):
                row = self._row(named, found.snapshot, found.conflicts, found.version)
                row.left = partial(self._states.left, found)
                yield named, row

    def _whole(self, some: Sequence[Named], clocks: Clocks) -> Iterator[tuple[Named, HistoricalRow | None]]:
        """The same of streams that are folded from their first event on."""
        repeats = self.reads.repeats(some, clocks)
        begun = [named for named in some if named.stream in repeats or was_named(named, clocks)]
        snapshots = self._snapshots_of(begun, clocks)
        for named in begun:
            snapshot, its = snapshots[named.stream], repeats.get(named.stream, [])
            conflicts = [repeat.position for repeat in its if repeat.verdict == "conflict"]
            version = self._machine_of(named).fingerprint
            yield named, None if snapshot is None else self._row(named, snapshot, conflicts, version)

    def stored(self, some: Sequence[Named], which: Unchanged, *, measured: bool) -> dict[str, HistoricalRow]:
        """The rows of those of which nothing has become known since, by our ids.

        `measured`: with the measurements of sessions, as far as none has left its session's row.
        """
        whole = [named for named in some if named.erased is None]
        found = self.reads.settled(whole, which)
        rows: dict[str, HistoricalRow] = {}
        for named in whole:
            if (columns := found.get(named.stream)) is None:
                continue
            one = self._projection(named, columns["snapshot"], columns["fingerprint"]) if measured else None
            if one is None:
                rows[named.stream] = HistoricalRow(named, columns, {})
            elif len(one.state.records()) < KEPT:
                rows[named.stream] = HistoricalRow(named, columns, measurement_rows(self._code.ids, one))
        return rows

    def _row(self, named: Named, snapshot: bytes, conflicts: Sequence[int], version: str) -> HistoricalRow:
        one = self._projection(named, snapshot, version)
        one.conflicts = with_conflicts("", conflicts)
        columns = dict(zip(PROJECTIONS.names, projection_row(self._code.ids, one), strict=True))
        columns["snapshot"] = snapshot  # with all runs that no rows hold
        return HistoricalRow(named, columns, measurement_rows(self._code.ids, one))

    def _projection(self, named: Named, snapshot: bytes, version: str) -> Projection:
        machine = self._machine_of(named)
        one = Projection(named.source, named.stream, named.kind, named.provider_id or "", machine, version)
        one.opened, one.base, one.state = named.opened, named.base(), fold.decode(machine, snapshot)
        return one

    def _snapshots_of(self, some: Sequence[Named], clocks: Clocks) -> dict[str, bytes | None]:
        """The folds, as they were made before where they were; an erased stream's is made anew, onto what is left."""
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
        for named, arrivals in self._arrivals([named for named in some if named.stream not in found], clocks):
            snapshot = found[named.stream] = None if arrivals is None else self._fold(named, arrivals)
            if snapshot is not None:
                self._snapshots.keep(keys[named.stream], snapshot)
        return found

    def _fold(self, named: Named, arrivals: Sequence[Arrival]) -> bytes:
        machine, settings = self._machine_of(named), self._code.sources[named.source].settings
        events = [one.event for one in arrivals if one.foldable]
        base = named.base()
        return fold.encode(fold.fold(machine, events, settings, base and base.state(machine)))

    def _arrivals(self, some: Sequence[Named], clocks: Clocks) -> Iterator[tuple[Named, list[Arrival] | None]]:
        """What the question is about, of each stream; None where what it would need was erased."""
        gone = {named.stream for named in some if named.erased is not None and _needs(clocks, named.erased)}
        events = self.reads.events_of([named for named in some if named.stream not in gone], clocks.position)
        for named in some:
            read = self._code.sources[named.source].read
            found = [arrival_of(read, *row) for row in events.pop(named.stream, [])]
            yield named, None if named.stream in gone else [one for one in found if covers(clocks, one.event)]

    def _machine_of(self, named: Named) -> fold.Kind:
        return self._code.machine_of(named.source, named.kind)


def _needs(clocks: Clocks, erased: int) -> bool:
    """Whether a question is about what was known before that event, which tells of an erasure, was there."""
    return clocks.as_of is not None or clocks.position < erased


class _Candidates:
    """The streams that a page looks at, the newest first, each with its row, or None where it was erased.

    What `asked` leaves out by what is stored of it is passed by. `following`: the `opened` of the last one that was
    looked at; None where no more are there.
    """

    def __init__(
        self,
        past: TemporalReads,
        wanted: WantedStreams,
        which: Unchanged,
        asked: WantedStreams | WantedMeasurements,
    ) -> None:
        self._past = past
        self._wanted = wanted
        self._which = which
        self._clocks = which.clocks
        self._asked = asked
        self.following = wanted.before

    def __iter__(self) -> Iterator[tuple[Named, HistoricalRow | None]]:
        which, measured = self._which, isinstance(self._asked, WantedMeasurements)
        listed = self._listed(which)
        size, folded = min(self._wanted.limit, _CHUNK), 0
        while folded < FOLDED:
            chunk = self._past.reads.named(self._clocks, size, before=self.following, **listed)
            stored = self._past.stored(chunk, which, measured=measured)
            for named, row in self._past.rows(chunk, self._clocks, stored):
                folded += named.stream not in stored
                yield named, row
            if len(chunk) < size:
                self.following = listed["floor"]
                return
            self.following, size = chunk[-1].opened, _CHUNK

    def _listed(self, which: Unchanged) -> dict[str, Any]:
        """What is asked of `reads_as_of.list_named`."""
        wanted, sources = self._wanted, self._past.sources(self._wanted)
        most = EXAMINED if self._clocks.as_of is None else max(1, EXAMINED // 10)
        floor = None
        if wanted.streams is None:
            floor = self._past.reads.opened_at(wanted.kind, self._clocks, wanted.before, most)
        but = unwanted(self._asked, which) if which.versions else None
        return {"kind": wanted.kind, "sources": sources, "names": wanted.streams, "floor": floor, "but": but}
