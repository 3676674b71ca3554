"""The query API's access to the database. Nothing here writes; every method is one short transaction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Engine, Executable, text

from adapters.sql.connections.revisions import revision
from adapters.sql.database.errors import our_errors
from adapters.sql.database.joins import HEAD
from adapters.sql.database.snapshot import repeatable_read
from adapters.sql.dialects.dialect import Lookup, dialect_of
from adapters.sql.projections.current import Current
from adapters.sql.projections.projection import Code, runs_in
from adapters.sql.queries import (
    as_of,
    counts,
    deliveries,
    due,
    events,
    evidence,
    ids,
    parts,
    relays,
    settled,
    streams,
    visits,
)
from adapters.sql.queries.as_of import Repeat, StreamRow
from adapters.sql.queries.counts import Anomalous, Counted
from adapters.sql.queries.deliveries import Delivered, Deliveries, DeliveryKeyset, Refusals
from adapters.sql.queries.due import LiveAction
from adapters.sql.queries.events import Recorded, WantedEvents
from adapters.sql.queries.evidence import RecordedEvents
from adapters.sql.queries.filters import Due
from adapters.sql.queries.ids import IdRow
from adapters.sql.queries.relays import QueuedRelay, RelayState
from adapters.sql.queries.settled import Unchanged
from adapters.sql.queries.streams import Measured, Projected, WantedMeasurements, WantedStreams
from adapters.sql.queries.visits import Visit, VisitPage
from core.clocks import Clocks
from core.event import Headers, Instant
from core.header_codec import unpack
from core.headers import from_lines
from core.states.state import Run

_REPLAYED = text("SELECT (extract(epoch FROM pg_last_xact_replay_timestamp()) * 1000000)::bigint")
_MANY = 500
"""The most positions in one statement."""

_EVER = 1 << 62
_RETRACTION = 7
"""The index of the retraction in a row of `stored_events`."""


class Reads:
    """The reader of one process. Thread-safe. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._dialect = dialect_of(engine)
        self._held: ContextVar[Connection | None] = ContextVar("held", default=None)

    def head(self) -> int:
        """The log's last position; 0 if it is empty."""
        return int(self._rows(HEAD)[0][0])

    def replayed_at(self) -> Instant | None:
        """The commit time, by the primary's clock, of what a standby replayed last; None if this is not a standby."""
        if self._engine.dialect.name != "postgresql":
            return None
        at: Instant | None = self._rows(_REPLAYED)[0][0]
        return at

    def wal_bytes(self) -> int:
        """The size of SQLite's write-ahead log in bytes; 0 on PostgreSQL."""
        if self._engine.dialect.name != "sqlite":
            return 0
        with self.connected() as connection:
            driver: Any = connection.connection.driver_connection
            return int(driver.files.wal_bytes())

    def current(self, code: Code) -> Current:
        """The versions of the projections that this code reads."""
        return Current(self._engine, code)

    def revision(self) -> tuple[str | None, str]:
        """The database's revision and the newest one that this code knows."""
        with our_errors():
            return revision(self._engine)

    def sources(self) -> list[str]:
        """Every source that has a stream, including those no longer configured."""
        return [name for (name,) in self._rows(streams.SOURCES)]

    def retracted_sources(self) -> list[str]:
        """The sources with retractions."""
        return [name for (name,) in self._rows(streams.RETRACTED_SOURCES)]

    def streams(self, wanted: WantedStreams) -> list[Projected]:
        """Projections, the newest stream first."""
        if wanted.sources == []:
            return []
        return [Projected._make(row) for row in self._rows(streams.list_streams(wanted))]

    def page(self, wanted: WantedStreams) -> tuple[list[Projected], int | None]:
        """A page of them, within the limit of examined rows, and the last `opened` examined; None if all rows were."""
        floor = None if wanted.sources == [] else self._first(streams.floor_of(wanted))
        return self.streams(replace(wanted, floor=floor)), floor

    def page_of_measurements(self, wanted: WantedMeasurements) -> tuple[list[Measured], int | None]:
        """The same for measurements."""
        floor = None if wanted.sources == [] else self._first(streams.floor_of_measurements(wanted))
        return self.measurements(replace(wanted, floor=floor)), floor

    def runs(self, row: Projected, after: int, upto: int, limit: int) -> list[Run] | None:
        """A stream's first runs after the number `after`, among those up to `upto` that have left its snapshot.

        None while they are being rewritten.
        """
        blocks = self._rows(parts.blocks_of(row, after, upto, limit))
        if any(written for _, written in blocks):
            return None
        found = [run for block, _ in blocks for run in runs_in(block)]
        return [run for run in found if after < run.run <= upto][:limit]

    def measurements(self, wanted: WantedMeasurements) -> list[Measured]:
        """Measurements with the snapshots that have their records, the newest first."""
        if wanted.sources == []:
            return []
        return [Measured._make(row) for row in self._rows(streams.list_measurements(wanted))]

    def counts(self, kind: str, fingerprints: Sequence[str], after: int) -> list[Counted]:
        """Counts the newest of a kind by state. Those with events after `after` are recent."""
        statement = (
            counts.of_measurements(fingerprints, after)
            if kind == "measurement"
            else counts.of_streams(kind, fingerprints, after)
        )
        return [Counted(kind, *row) for row in self._rows(statement)]

    def live(self, machine: str, source: str, fingerprints: Sequence[str]) -> int:
        """Counts the unfinished streams of a machine and a source, up to 10,000."""
        return int(self._rows(due.live(machine, source, fingerprints))[0][0])

    def due(self, machine: str, source: str, fingerprints: Sequence[str], wanted: Due) -> int:
        """Counts the due streams among the 10,000 oldest unfinished ones of a machine and a source."""
        return int(self._rows(due.due(machine, source, fingerprints, wanted))[0][0])

    def recent_sessions(self, fingerprints: Sequence[str], after: int) -> list[tuple[str, str | None, int, int]]:
        """Source, outcome, anomaly mask and count, for the newest sessions with events after `after`."""
        return [tuple(row) for row in self._rows(counts.recent_sessions(fingerprints, after))]

    def anomalous(self, kind: str, fingerprints: Sequence[str]) -> list[Anomalous]:
        """Counts the newest of a kind by anomalies."""
        return [Anomalous(kind, *row) for row in self._rows(counts.of_anomalies(kind, fingerprints))]

    def misread(self, reading: str) -> list[tuple[str, int]]:
        """Counts the newest events with this reading by source."""
        return [tuple(row) for row in self._rows(counts.misread(reading))]

    def visits(self, source: str, steps: tuple[str, ...], sources: int) -> list[Visit]:
        """The newest sessions of one of `sources` sources: the steps that each has reached, and what ended it."""
        return visits.visits_of(self._rows(visits.list_visits(source, steps, sources)))

    def page_of_visits(
        self, source: str, steps: tuple[str, ...], sources: int, before: int | None, clocks: Clocks | None
    ) -> VisitPage:
        """A page of them, opened before a position, as of a query's clocks. Sessions are complete if possible."""
        statement = visits.list_visits(source, steps, sources, before, clocks)
        return visits.page_of_visits(self._rows(statement), sources)

    def events(self, wanted: WantedEvents) -> list[Recorded]:
        """Events after a position, by position."""
        if wanted.sources == [] or wanted.streams == []:
            return []
        return [Recorded._make(row) for row in self._rows(events.list_events(wanted))]

    def page_of_events(self, wanted: WantedEvents) -> tuple[list[Recorded], int | None]:
        """A page of them, within the limit of examined events, and the last position examined; None if all were."""
        if wanted.sources == [] or wanted.streams == []:
            return [], None
        upto = self._first(events.last_examined(wanted))
        rows = self.events(replace(wanted, upto=upto))
        return rows, upto if len(rows) < wanted.limit else None

    def event(self, position: int) -> Recorded | None:
        """One event."""
        return next((Recorded._make(row) for row in self._rows(events.one_event(position))), None)

    def duplicates(self, source: str, position: int) -> int:
        """How often an event was delivered again."""
        return sum(int(times) for (times,) in self._rows(deliveries.duplicates_of(source, position)))

    def body(self, position: int) -> bytes | None:
        """An event's raw body; None if the event does not exist or its payload was erased."""
        rows = self._rows(events.one_body(position))
        return next((bytes(body) for (body,) in rows if body is not None), None)

    def erased(self, position: int) -> int | None:
        """The position of the event that records the erasure of an event's payload; None if it was not erased."""
        return next((at for (at,) in self._rows(events.erasure_of(position))), None)

    def request(self, position: int) -> tuple[Headers, bytes] | None:
        """An event's headers and raw body as received; None if the event does not exist or was erased."""
        rows = self._rows(events.one_request(position))
        found = ((from_lines(unpack(bytes(headers))), bytes(body)) for headers, body in rows if body is not None)
        return next(found, None)

    def position_at(self, recorded_at: Instant) -> int:
        """The last position recorded by a time; 0 if there is none."""
        return int(self._rows(as_of.POSITION_AT, {"recorded_at": recorded_at})[0][0])

    def named(self, clocks: Clocks, limit: int, **asked: Any) -> list[StreamRow]:
        """The streams known at the clocks, the newest first. `asked`: the arguments of `queries.as_of.list_named`."""
        return [StreamRow._make(row) for row in self._rows(as_of.list_named(clocks, limit, **asked))]

    def last_of(self, source: str, position: int) -> tuple[int, Instant, Instant | None] | None:
        """Position, received_at and occurred_at of a source's last event up to a position."""
        return next((tuple(row) for row in self._rows(as_of.last_of(source, position))), None)

    def events_of(self, some: Sequence[StreamRow], position: int) -> dict[str, list[Any]]:
        """Stored events of streams up to a position, in order, by our ids: columns of `queries.as_of.stored_events`.

        The column `retracted` is set only if the retraction was known at the position, too.
        """
        found: dict[str, list[Any]] = {}
        for stream, *event in self._looked_up(as_of.HISTORY, some):
            if event[0] <= position:
                retraction = event[_RETRACTION]
                event[_RETRACTION] = retraction if retraction is not None and retraction <= position else None
                found.setdefault(stream, []).append(event)
        return {stream: sorted(its, key=itemgetter(0)) for stream, its in found.items()}

    def repeats(self, some: Sequence[StreamRow], clocks: Clocks) -> dict[str, list[Repeat]]:
        """The repeated deliveries of streams' events, by our ids, for streams that had begun."""
        had = clocks.as_of if clocks.as_of is not None else _EVER
        source_of = {named.stream: named.source for named in some}
        with self.together():
            came = sorted(self._looked_up(as_of.PLACES, some))
            came = [one for one in came if one[0] <= clocks.position and one[2] <= had]
            stream_at = {position: stream for position, stream, *_ in came}
            found: dict[str, list[Repeat]] = {stream: [] for stream in stream_at.values()}
            for source in sorted(set(source_of.values())):
                again = [position for position, stream, _, again in came if again and source_of[stream] == source]
                for repeat in self._repeats_at(source, again, clocks):
                    found[stream_at[repeat.position]].append(repeat)
        return found

    def conflicts(self, source: str, at: Sequence[int], clocks: Clocks) -> list[int]:
        """Those of a source's events at these positions that had conflicts."""
        return [repeat.position for repeat in self._repeats_at(source, at, clocks) if repeat.verdict == "conflict"]

    def _repeats_at(self, source: str, at: Sequence[int], clocks: Clocks) -> list[Repeat]:
        times = Counter[tuple[int, str]]()
        for start in range(0, len(at), _MANY):
            for position, verdict, number in self._rows(as_of.repeats(source, at[start : start + _MANY], clocks)):
                times[position, verdict] += number
        return [Repeat(*key, number) for key, number in times.items()]

    def _looked_up(self, find: Lookup, some: Sequence[StreamRow]) -> list[Any]:
        """Looks up rows of streams, each in its own range of an index, which SQLite would not choose for a list."""
        if not some:
            return []
        with self.connected() as connection:
            keys = [(named.source, named.opened, named.stream) for named in some]
            return list(self._dialect.lookup(connection.connection.cursor(), find, keys))

    def opened_at(self, kind: str, clocks: Clocks, before: int | None, number: int) -> int | None:
        """The `opened` of the stream of a kind that is number `number` from the newest; None if there are fewer."""
        return self._first(as_of.opened_at(kind, clocks, before, number))

    def settled(self, some: Sequence[StreamRow], which: Unchanged) -> dict[str, dict[str, Any]]:
        """The rows of `projections` that are valid as of a query's clocks, by our ids."""
        some = [named for named in some if named.source in which.sources]
        if not some or not which.versions:
            return {}
        found = self._rows(settled.settled(some, which))
        return {row.stream: dict(row._mapping) for row in found}  # noqa: SLF001 - its API

    def has_any(self, table: str, source: str) -> bool:
        """Whether a table, whose key begins with the source, has a row of a source."""
        mark = "?" if self._engine.dialect.name == "sqlite" else "%s"
        with self.connected() as connection:
            found = connection.exec_driver_sql(f"SELECT 1 FROM {table} WHERE source = {mark} LIMIT 1", (source,))
            return found.first() is not None

    def place_of(self, name: str, sources: Sequence[str]) -> tuple[str, str, int | None] | None:
        """(source, our id of the session, first position) of a measurement by our id; a session has no position."""
        return next((tuple(row) for row in self._rows(evidence.place_of(name, sources))), None)

    def ids_beginning(self, beginning: str, sources: Sequence[str], after: str, limit: int) -> list[IdRow]:
        """Our ids of one kind with a prefix, after another id, in order."""
        if not sources:
            return []
        found = self._rows(ids.list_beginning(beginning, sources, after, limit))
        return [IdRow._make(row) for row in found]

    @contextmanager
    def exhibits(self, source: str, stream: str) -> Iterator[RecordedEvents]:
        """A stream's events with everything that their leaves cover, in a snapshot that lasts for the block."""
        with self.connected() as connection:
            yield RecordedEvents(connection, source, stream)

    def deliveries(self, asked: Deliveries) -> tuple[list[Delivered], DeliveryKeyset | None]:
        """Deliveries of every verdict, the newest first (events are the `new` ones), and the keyset if more follow."""
        with self.connected() as connection:
            return deliveries.newest(connection, asked)

    def refusals(self, sources: Sequence[str]) -> list[Refusals]:
        """Rejections by source and reason, a source's latest reason first."""
        with self.connected() as connection:
            return [one for source in sources for one in deliveries.refusals(connection, source)]

    def live_actions(
        self, source: str, versions: Sequence[str], after: int, heard_before: Instant, limit: int
    ) -> list[LiveAction]:
        """Open actions of a source after an opening position, without recent events."""
        found = self._rows(due.live_actions(source, versions, after, heard_before, limit))
        return [LiveAction._make(row) for row in found]

    def relays(self, sources: Sequence[str], after: int, limit: int, *, dead: bool) -> list[QueuedRelay]:
        """Deliveries to handlers after a position, the oldest first; optionally only dead ones."""
        if not sources:
            return []
        return [QueuedRelay._make(row) for row in self._rows(relays.list_relays(sources, after, limit, dead=dead))]

    def relay_state(self, source: str) -> RelayState:
        """The waiting and dead deliveries to a source's handler."""
        with self.connected() as connection:
            return relays.relay_state(connection, source)

    def _first(self, statement: Executable | None) -> int | None:
        return None if statement is None else next((int(value) for (value,) in self._rows(statement)), None)

    def _rows(self, statement: Executable, given: Mapping[str, Any] | None = None) -> list[Any]:
        with self.connected() as connection:
            return list(connection.execute(statement, given))

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        """A connection for several statements."""
        if (held := self._held.get()) is not None:
            yield held
            return
        with our_errors(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within the block, queries share a connection and a snapshot. Short ones would mostly wait for connections."""
        if self._held.get() is not None:
            yield
            return
        with self.connected() as connection:
            repeatable_read(connection)
            token = self._held.set(connection)
            try:
                yield
            finally:
                self._held.reset(token)
