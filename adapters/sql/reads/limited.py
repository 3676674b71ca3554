"""`Reads` for a token limited to some sources: any other source looks as if it had never sent anything."""

import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, TypeVar

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
from adapters.sql.reads.reads import Reads
from core.clocks import Clocks
from core.event import Headers, Instant
from core.states.state import Run
from core.words import OF_ANOTHER

OF_NO_SOURCE: Final = frozenset(
    "head replayed_at wal_bytes current revision position_at opened_at connected together".split()
)
"""The methods of Reads that reveal no source. All others are redefined here; a test checks that."""

_STRANGER = re.compile(rf"under .* {OF_ANOTHER}")
_NAMELESS = f"under a secret {OF_ANOTHER}"

Wanted = TypeVar("Wanted", WantedStreams, WantedMeasurements)
Hinting = TypeVar("Hinting", Delivered, Refusals)


class LimitedReads(Reads):
    """`Reads` limited to the sources `only`."""

    def __init__(self, reads: Reads, only: frozenset[str]) -> None:
        super().__init__(reads._engine)  # noqa: SLF001 - of the class that this one is
        self._only = only

    def sources(self) -> list[str]:
        return self._some(super().sources())

    def retracted_sources(self) -> list[str]:
        return self._some(super().retracted_sources())

    def streams(self, wanted: WantedStreams) -> list[Projected]:
        return super().streams(self._within(wanted))

    def page(self, wanted: WantedStreams) -> tuple[list[Projected], int | None]:
        return super().page(self._within(wanted))

    def page_of_measurements(self, wanted: WantedMeasurements) -> tuple[list[Measured], int | None]:
        return super().page_of_measurements(self._within(wanted))

    def measurements(self, wanted: WantedMeasurements) -> list[Measured]:
        return super().measurements(self._within(wanted))

    def runs(self, row: Projected, after: int, upto: int, limit: int) -> list[Run] | None:
        return super().runs(row, after, upto, limit) if row.source in self._only else []

    def counts(self, kind: str, fingerprints: Sequence[str], after: int) -> list[Counted]:
        return [one for one in super().counts(kind, fingerprints, after) if one.source in self._only]

    def live(self, machine: str, source: str, fingerprints: Sequence[str]) -> int:
        return super().live(machine, source, fingerprints) if source in self._only else 0

    def due(self, machine: str, source: str, fingerprints: Sequence[str], wanted: Due) -> int:
        return super().due(machine, source, fingerprints, wanted) if source in self._only else 0

    def recent_sessions(self, fingerprints: Sequence[str], after: int) -> list[tuple[str, str | None, int, int]]:
        return [one for one in super().recent_sessions(fingerprints, after) if one[0] in self._only]

    def anomalous(self, kind: str, fingerprints: Sequence[str]) -> list[Anomalous]:
        return [one for one in super().anomalous(kind, fingerprints) if one.source in self._only]

    def misread(self, reading: str) -> list[tuple[str, int]]:
        return [one for one in super().misread(reading) if one[0] in self._only]

    def visits(self, source: str, steps: tuple[str, ...], sources: int) -> list[Visit]:
        return super().visits(source, steps, sources) if source in self._only else []

    def page_of_visits(
        self, source: str, steps: tuple[str, ...], sources: int, before: int | None, clocks: Clocks | None
    ) -> VisitPage:
        if source not in self._only:
            return VisitPage([], None)
        return super().page_of_visits(source, steps, sources, before, clocks)

    def events(self, wanted: WantedEvents) -> list[Recorded]:
        return super().events(self._within_events(wanted))

    def page_of_events(self, wanted: WantedEvents) -> tuple[list[Recorded], int | None]:
        return super().page_of_events(self._within_events(wanted))

    def event(self, position: int) -> Recorded | None:
        found = super().event(position)
        return found if found is not None and found.source in self._only else None

    def duplicates(self, source: str, position: int) -> int:
        return super().duplicates(source, position) if source in self._only else 0

    def body(self, position: int) -> bytes | None:
        return None if self.event(position) is None else super().body(position)

    def erased(self, position: int) -> int | None:
        return None if self.event(position) is None else super().erased(position)

    def request(self, position: int) -> tuple[Headers, bytes] | None:
        return None if self.event(position) is None else super().request(position)

    def named(self, clocks: Clocks, limit: int, **asked: Any) -> list[StreamRow]:
        return super().named(clocks, limit, **asked | {"sources": self._some(asked["sources"])})

    def last_of(self, source: str, position: int) -> tuple[int, Instant, Instant | None] | None:
        return super().last_of(source, position) if source in self._only else None

    def events_of(self, some: Sequence[StreamRow], position: int) -> dict[str, list[Any]]:
        return super().events_of(self._those(some), position)

    def repeats(self, some: Sequence[StreamRow], clocks: Clocks) -> dict[str, list[Repeat]]:
        return super().repeats(self._those(some), clocks)

    def conflicts(self, source: str, at: Sequence[int], clocks: Clocks) -> list[int]:
        return super().conflicts(source, at, clocks) if source in self._only else []

    def settled(self, some: Sequence[StreamRow], which: Unchanged) -> dict[str, dict[str, Any]]:
        return super().settled(self._those(some), which)

    def has_any(self, table: str, source: str) -> bool:
        return source in self._only and super().has_any(table, source)

    def place_of(self, name: str, sources: Sequence[str]) -> tuple[str, str, int | None] | None:
        return super().place_of(name, self._some(sources))

    def ids_beginning(self, beginning: str, sources: Sequence[str], after: str, limit: int) -> list[IdRow]:
        return super().ids_beginning(beginning, self._some(sources), after, limit)

    @contextmanager
    def exhibits(self, source: str, stream: str) -> Iterator[RecordedEvents]:
        self._check(source)
        with super().exhibits(source, stream) as exhibits:
            yield exhibits

    def deliveries(self, asked: Deliveries) -> tuple[list[Delivered], DeliveryKeyset | None]:
        rows, following = super().deliveries(replace(asked, sources=self._some(asked.sources)))
        return [_without_strangers(row) for row in rows], following

    def refusals(self, sources: Sequence[str]) -> list[Refusals]:
        return [_without_strangers(one) for one in super().refusals(self._some(sources))]

    def live_actions(
        self, source: str, versions: Sequence[str], after: int, heard_before: Instant, limit: int
    ) -> list[LiveAction]:
        return super().live_actions(source, versions, after, heard_before, limit) if source in self._only else []

    def relays(self, sources: Sequence[str], after: int, limit: int, *, dead: bool) -> list[QueuedRelay]:
        return super().relays(self._some(sources), after, limit, dead=dead)

    def relay_state(self, source: str) -> RelayState:
        self._check(source)
        return super().relay_state(source)

    def _some(self, sources: Collection[str]) -> list[str]:
        return [name for name in sources if name in self._only]

    def _those(self, some: Sequence[StreamRow]) -> list[StreamRow]:
        return [named for named in some if named.source in self._only]

    def _within(self, wanted: Wanted) -> Wanted:
        return replace(wanted, sources=self._some(sorted(self._only) if wanted.sources is None else wanted.sources))

    def _within_events(self, wanted: WantedEvents) -> WantedEvents:
        if wanted.streams is not None:
            return replace(wanted, streams=[place for place in wanted.streams if place[0] in self._only])
        return replace(wanted, sources=self._some(sorted(self._only) if wanted.sources is None else wanted.sources))

    def _check(self, source: str) -> None:
        """Raises LookupError for another source, because a caller should not know it."""
        if source not in self._only:
            raise LookupError("there is no such source")


def _without_strangers(row: Hinting) -> Hinting:
    """A hint may name the secret of another source."""
    return row if row.hint is None else row._replace(hint=_STRANGER.sub(_NAMELESS, row.hint))
