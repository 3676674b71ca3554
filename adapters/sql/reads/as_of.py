"""Temporal reads: streams folded from the log as of a time, as known at a position, or both (bitemporal).

The rows look like those of `projections` and `measurements` but are computed for each question.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from adapters.sql.projections.projection import Code, Projection, measurement_rows, projection_row, with_conflicts
from adapters.sql.projections.refold import MEASUREMENTS, PROJECTIONS
from adapters.sql.projections.stored_events import BodyReader, to_event
from adapters.sql.reads.filters import MEASUREMENT_FILTERS, STREAM_FILTERS, is_wanted
from adapters.sql.reads.reads import Reads
from adapters.sql.reads.reads_as_of import Named, Repeat
from adapters.sql.reads.reads_streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.reads.snapshots import Snapshots
from core import fold
from core.clocks import Clocks, covers
from core.event import Event, Instant

EXAMINED = 500
"""A page of a list looks at no more streams than these, however few of them the filters leave."""

_CHUNK = 50


class Arrival(NamedTuple):
    """An event, when it was recorded, and the secret that verified it (None: unsigned).

    `retracted`: the position of the event that took it back. `erased`: its body is gone, and with it all data. The fold
    passes both by: what erased events did stands in the state that is left of their stream.
    """

    event: Event
    recorded_at: Instant
    verified_by: str | None
    retracted: int | None
    erased: bool = False

    @property
    def foldable(self) -> bool:
        return self.retracted is None and not self.erased


class StreamHistory(NamedTuple):
    """A stream's events by position, as far as a question is about them, and how often their keys came again."""

    named: Named
    arrivals: list[Arrival]
    repeats: list[Repeat]


class HistoricalRow(msgspec.Struct, gc=False):
    """The columns of `projections` by name, the stream they would be of, and its rows of `measurements`."""

    named: Named
    columns: dict[str, Any]
    of_measurements: dict[Any, Any]

    def projected(self) -> Projected:
        """The row as a question of the present gives it."""
        found, told = self.columns, self.named
        names = (found["source"], found["stream"], found["kind"], found["machine"], found["fingerprint"])
        rest = (told.provider_id, found["opened"], found["conflicts"], found["snapshot"])
        return Projected(*names, *rest, told.erased)

    def is_wanted(self, wanted: WantedStreams) -> bool:
        return is_wanted(STREAM_FILTERS, self.columns, wanted) and all(one.matches(self.columns) for one in wanted.due)

    def measured(self) -> Iterator[tuple[Measured, dict[str, Any]]]:
        """A session's measurements, the newest first, each with its columns."""
        told, machine = self.named, (self.columns["machine"], self.columns["fingerprint"])
        rows = [dict(zip(MEASUREMENTS.names, row, strict=True)) for row in self.of_measurements.values()]
        for row in sorted(rows, key=lambda one: one["opened"], reverse=True):
            names = (row["measurement"], row["measurement_id"], row["opened"], told.stream)
            rest = (told.provider_id, self.columns["snapshot"])
            yield Measured(told.source, *names, *machine, *rest, told.erased, row["record"]), row


class Erased(Exception):
    """The stream's bodies are gone: what was known of it earlier cannot be folded any more."""


class TemporalReads:
    """Any thread may ask. Every method raises Unavailable while the database is away."""

    def __init__(self, reads: Reads, code: Code) -> None:
        self._reads = reads
        self._code = code
        self._snapshots = Snapshots()

    def clocks(
        self, *, as_of: Instant | None = None, known_at: Instant | None = None, position: int | None = None
    ) -> Clocks:
        """What a question is about. Of `known_at` and a position, the earlier one."""
        known = self._reads.head() if known_at is None else self._reads.position_at(known_at)
        return Clocks(known if position is None else min(position, known), as_of, known_at)

    def stream(self, name: str, clocks: Clocks) -> Projected | None:
        """One stream by our id; None where nothing was known of it. Raises Erased."""
        row = self._one(name, clocks)
        return row.projected() if row else None

    def history(self, name: str, clocks: Clocks) -> StreamHistory | None:
        """One stream's events; None where nothing was known of it. Raises Erased."""
        for named in self._find(name, clocks):
            arrivals = self._arrivals(named, clocks)
            if arrivals is None:
                raise Erased(named.stream)
            return StreamHistory(named, arrivals, self._reads.repeats(named, clocks)[1])
        return None

    def doubled(self, row: Projected, clocks: Clocks) -> dict[int, int]:
        """How often the keys of a stream's events came again with the same body, by position."""
        named = Named(row.source, row.stream, row.kind, row.provider_id, row.opened)
        repeats = self._reads.repeats(named, clocks)[1]
        return {repeat.position: repeat.times for repeat in repeats if repeat.verdict == "duplicate"}

    def streams(self, wanted: WantedStreams, clocks: Clocks) -> tuple[list[Projected], int | None]:
        """A page, and the `opened` before which the next one goes on; None at the list's end.

        It holds fewer than `wanted.limit`, even none, where few of the streams that were examined are wanted.
        """
        page: list[Projected] = []
        chunk: list[Named] = []
        for chunk in self._chunks(wanted, clocks):
            for named, row in self._rows(chunk, clocks):
                if row is not None and row.is_wanted(wanted):
                    page.append(row.projected())
                if len(page) == wanted.limit:
                    return page, named.opened
        return page, chunk[-1].opened if len(chunk) == _CHUNK else None

    def measurements(self, wanted: WantedMeasurements, clocks: Clocks) -> tuple[list[Measured], tuple[int, int] | None]:
        """A page of measurements, those of the newest session first; and the keyset of the next one, or None.

        A keyset is the `opened` of a session and of a measurement, exclusive as `wanted.before`.
        """
        page: list[Measured] = []
        chunk: list[Named] = []
        for chunk in self._chunks(self._sessions(wanted), clocks):
            for named, row in self._rows(chunk, clocks):
                for found, columns in row.measured() if row else ():
                    before = wanted.before is None or (named.opened, found.opened) < wanted.before
                    if before and is_wanted(MEASUREMENT_FILTERS, columns, wanted):
                        page.append(found)
                    if len(page) == wanted.limit:
                        return page, (named.opened, found.opened)
        return page, (chunk[-1].opened, 0) if len(chunk) == _CHUNK else None

    def measured(self, session: str, clocks: Clocks) -> list[Measured]:
        """The measurements of one session by our id, the newest first. Raises Erased."""
        row = self._one(session, clocks)
        return [found for found, _ in row.measured()] if row else []

    def _sessions(self, wanted: WantedMeasurements) -> WantedStreams:
        """The sessions that may have what is wanted; the one of the keyset once more, for the rest of it."""
        scans = [name for name, source in self._code.sources.items() if source.machine_of("session") == "measurement"]
        return WantedStreams(
            kind="session",
            fingerprints=(),
            limit=wanted.limit,
            before=wanted.before[0] + 1 if wanted.before else None,
            sources=[name for name in scans if wanted.sources is None or name in wanted.sources],
            streams=wanted.streams,
        )

    def _chunks(self, wanted: WantedStreams, clocks: Clocks) -> Iterator[list[Named]]:
        """The streams, the newest first. A chunk that is not full is the last one that there is."""
        sources = [name for name in self._code.sources if wanted.sources is None or name in wanted.sources]
        before = wanted.before
        for _ in range(EXAMINED // _CHUNK):
            asked = {"kind": wanted.kind, "sources": sources, "before": before, "names": wanted.streams}
            chunk = self._reads.named(clocks, _CHUNK, **asked)
            yield chunk
            if len(chunk) < _CHUNK:
                return
            before = chunk[-1].opened

    def _one(self, name: str, clocks: Clocks) -> HistoricalRow | None:
        for named, row in self._rows(self._find(name, clocks), clocks):
            if row is None:
                raise Erased(named.stream)
            return row
        return None

    def _find(self, name: str, clocks: Clocks) -> list[Named]:
        return self._reads.named(clocks, 1, kind=None, sources=list(self._code.sources), names=[name])

    def _rows(self, chunk: Sequence[Named], clocks: Clocks) -> Iterator[tuple[Named, HistoricalRow | None]]:
        """The row of each stream that had begun; None where it was erased."""
        for named in chunk:
            positions, repeats = self._reads.repeats(named, clocks)
            if positions or _was_named(named, clocks):
                conflicts = [repeat.position for repeat in repeats if repeat.verdict == "conflict"]
                snapshot = self._snapshot(named, clocks)
                yield named, None if snapshot is None else self._row(named, snapshot, conflicts)

    def _row(self, named: Named, snapshot: bytes, conflicts: Sequence[int]) -> HistoricalRow:
        machine = self._machine_of(named)
        names = (named.source, named.stream, named.kind, named.provider_id or "")
        one = Projection(*names, machine, machine.fingerprint)
        one.opened = named.opened
        one.conflicts = with_conflicts("", conflicts)
        one.base = named.base()
        one.state = fold.decode(machine, snapshot)
        columns = dict(zip(PROJECTIONS.names, projection_row(self._code.ids, one), strict=True))
        columns["snapshot"] = snapshot  # with all runs: no rows stand beside it
        return HistoricalRow(named, columns, measurement_rows(self._code.ids, one))

    def _snapshot(self, named: Named, clocks: Clocks) -> bytes | None:
        """The fold, as it was made before where it was; an erased stream's is made anew, onto what is left."""
        key = (self._machine_of(named).fingerprint, named.source, named.stream, clocks.position, clocks.as_of)
        snapshot = None if named.erased is not None else self._snapshots.get(key)
        if snapshot is None:
            arrivals = self._arrivals(named, clocks)
            snapshot = None if arrivals is None else self._fold(named, arrivals)
            if snapshot is not None:
                self._snapshots.keep(key, snapshot)
        return snapshot

    def _fold(self, named: Named, arrivals: Sequence[Arrival]) -> bytes:
        machine, settings = self._machine_of(named), self._code.sources[named.source].settings
        events = [one.event for one in arrivals if one.foldable]
        base = named.base()
        return fold.encode(fold.fold(machine, events, settings, base and base.state(machine)))

    def _arrivals(self, named: Named, clocks: Clocks) -> list[Arrival] | None:
        """What the question is about; None where what it would need was erased."""
        if named.erased is not None and (clocks.as_of is not None or clocks.position < named.erased):
            return None
        read = self._code.sources[named.source].read
        found = [arrival_of(read, *row) for row in self._reads.events_of(named, clocks.position)]
        return [one for one in found if covers(clocks, one.event)]

    def _machine_of(self, named: Named) -> fold.Kind:
        return self._code.machine_of(named.source, named.kind)


def arrival_of(read: BodyReader, *row: Any) -> Arrival:
    """From a row of `reads_as_of.history`."""
    *stored, recorded_at, retracted, sequence, occurred_at = row
    position, key, kind, received_at, verified_by, body = stored
    if body is not None:
        return Arrival(to_event(*stored, read=read), recorded_at, verified_by, retracted)
    signed = verified_by is not None
    gone = Event(position, key, kind or "", sequence, occurred_at, received_at, signed, {}, known=False)
    return Arrival(gone, recorded_at, verified_by, retracted, erased=True)


def _was_named(named: Named, clocks: Clocks) -> bool:
    """Whether a stream without events, such as a device that an action is for, had been named by then."""
    return clocks.as_of is None or (named.named_at is not None and named.named_at <= clocks.as_of)
