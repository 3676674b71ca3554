"""Temporal reads: streams folded from the log as of a time, as known at a position, or both (bitemporal).

The rows look like those of `projections` and `measurements` but are computed for each query.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from adapters.sql.history.candidates import Candidates
from adapters.sql.history.historical import HistoricalRow, StreamHistory
from adapters.sql.history.parts import StreamPart, StreamParts
from adapters.sql.history.past_rows import PastRows
from adapters.sql.history.past_states import ChangedLater, PastStates
from adapters.sql.history.shared import once
from adapters.sql.projections.current import Current
from adapters.sql.projections.projection import Code
from adapters.sql.queries.as_of import StreamRow
from adapters.sql.queries.filters import MEASUREMENT_FILTERS, is_wanted
from adapters.sql.queries.settled import Unchanged
from adapters.sql.queries.streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.reads.reads import Reads
from core.clocks import Clocks
from core.event import Instant


class Erased(Exception):
    """The stream's bodies were erased, so its earlier states cannot be folded any more."""


class TemporalReads:
    """Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, reads: Reads, code: Code, current: Current) -> None:
        self.reads = reads
        self._code = code
        self._current = current
        self.parts = StreamParts(reads, code, current)
        self._states = PastStates(reads, code, current, self.parts)
        self._rows = PastRows(reads, code, self._states)

    def clocks(
        self, *, as_of: Instant | None = None, known_at: Instant | None = None, position: int | None = None
    ) -> Clocks:
        """The times of a query. Of `known_at` and a position, the earlier one applies."""

        def found() -> Clocks:
            known = self.reads.head() if known_at is None else self.reads.position_at(known_at)
            return Clocks(known if position is None else min(position, known), as_of, known_at)

        asked = (as_of, known_at, position)
        return found() if asked == (None, None, None) else once(("clocks", *asked), found)

    def stream(self, name: str, clocks: Clocks) -> Projected | None:
        """One stream by our id; None if nothing was known of it. Raises Erased."""
        row = once(("row", name, clocks), lambda: self._one(name, clocks))
        return row.projected() if row else None

    def _one(self, name: str, clocks: Clocks) -> HistoricalRow | None:
        """The row without its measurements, since not all of them may be stored."""
        with self.reads.together():
            found = self._find(name, clocks)
            return self._known(found, clocks, self._rows.stored(found, self._settled(clocks), measured=False))

    def _known(
        self, found: list[StreamRow], clocks: Clocks, stored: Mapping[str, HistoricalRow] = MappingProxyType({})
    ) -> HistoricalRow | None:
        for named, row in self._rows.find(found, clocks, stored):
            if row is None:
                raise Erased(named.stream)
            return row
        return None

    def history(self, name: str, clocks: Clocks) -> StreamHistory | None:
        """One stream's events; None if nothing was known of it. Raises Erased."""
        return once(("history", name, clocks), lambda: self._history(name, clocks))

    def _history(self, name: str, clocks: Clocks) -> StreamHistory | None:
        for named in self._find(name, clocks):
            ((_, arrivals),) = self._rows.arrivals([named], clocks)
            if arrivals is None:
                raise Erased(named.stream)
            return StreamHistory(named, arrivals, self.reads.repeats([named], clocks).get(named.stream, []))
        return None

    def since(self, row: Projected | Measured, before: Clocks, after: Clocks, most: int) -> StreamPart | None:
        """The part of a long stream that follows a prefix: what was known `before`, and at least `most` later events.

        `row` is the stream at the clocks `after`. None if the whole stream is needed.
        """
        return self._states.since(row, before, after, most)

    def doubled(self, row: Projected, clocks: Clocks) -> dict[int, int]:
        """How often each event of a stream was delivered again with the same body, by position."""
        named = StreamRow(row.source, row.stream, row.kind, row.provider_id, row.opened)
        repeats = self.reads.repeats([named], clocks).get(named.stream, [])
        return {repeat.position: repeat.times for repeat in repeats if repeat.verdict == "duplicate"}

    def streams(self, wanted: WantedStreams, clocks: Clocks) -> tuple[list[Projected], int | None]:
        """A page, and the `opened` before which the next one begins; None at the end of the list.

        It has fewer than `wanted.limit` items, even none, if few of the examined streams match.
        """
        with self.reads.together():
            return self._streams(wanted, self._settled(clocks))

    def _streams(self, wanted: WantedStreams, which: Unchanged) -> tuple[list[Projected], int | None]:
        page: list[Projected] = []
        candidates = Candidates(self.reads, self._rows, which, self._of_ours(wanted), wanted)
        for named, row in candidates:
            if row is not None and row.is_wanted(wanted):
                page.append(row.projected())
            if len(page) == wanted.limit:
                return page, named.opened
        return page, candidates.following

    def measurements(self, wanted: WantedMeasurements, clocks: Clocks) -> tuple[list[Measured], tuple[int, int] | None]:
        """A page of measurements, those of the newest session first, and the next page's keyset or None.

        A keyset is the `opened` of a session and of a measurement, both exclusive, as in `wanted.before`.
        """
        with self.reads.together():
            return self._measurements(wanted, self._settled(clocks))

    def _measurements(
        self, wanted: WantedMeasurements, which: Unchanged
    ) -> tuple[list[Measured], tuple[int, int] | None]:
        page: list[Measured] = []
        candidates = Candidates(self.reads, self._rows, which, self._sessions(wanted), wanted)
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
        row = self._known(self._find(session, clocks), clocks)
        for found, _ in self._measured(row.named, row, clocks) if row else ():
            yield found

    def _measured(
        self, named: StreamRow, row: HistoricalRow, clocks: Clocks
    ) -> Iterator[tuple[Measured, dict[str, Any]]]:
        told: Measured | None = None
        try:
            for told, columns in row.measured():
                yield told, columns
        except ChangedLater:
            for _, whole in self._rows.whole([named], clocks):
                rows = whole.measured() if whole else ()
                yield from (one for one in rows if told is None or one[0].opened < told.opened)

    def _sessions(self, wanted: WantedMeasurements) -> WantedStreams:
        """The sessions that may have matching measurements, including the keyset's if it may have more."""
        scans = [name for name, source in self._code.sources.items() if source.machine_of("session") == "measurement"]
        return WantedStreams(
            kind="session",
            fingerprints=(),
            limit=wanted.limit,
            before=None if wanted.before is None else wanted.before[0] + bool(wanted.before[1]),
            sources=[name for name in scans if wanted.sources is None or name in wanted.sources],
            streams=wanted.streams,
        )

    def _of_ours(self, wanted: WantedStreams) -> WantedStreams:
        """The filter limited to the sources whose streams this process can fold."""
        sources = [name for name in self._code.sources if wanted.sources is None or name in wanted.sources]
        return replace(wanted, sources=sources)

    def _settled(self, clocks: Clocks) -> Unchanged:
        """Which stored rows are valid at these clocks."""
        back = set(self.reads.retracted_sources())
        received = clocks.position if clocks.as_of is None else self.reads.position_at(clocks.as_of)
        sources = [name for name in self._code.sources if name not in back]
        return Unchanged(clocks, sources, once("built", self._current.built), received)

    def _find(self, name: str, clocks: Clocks) -> list[StreamRow]:
        return self.reads.named(clocks, 1, kind=None, sources=list(self._code.sources), names=[name])
