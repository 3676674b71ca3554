"""Tables of states and timelines for people, as CSV (RFC 4180) that no spreadsheet computes."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from adapters.archive.export import ExportProgress
from adapters.sql import ExportedStream, ExportReader, Extent, Selection, Source, measurement_id, to_event
from core.event import Anomaly, Event
from core.folding.fold import MACHINES, StateMachine, Step, fold, in_region, trace
from core.ids import Ids
from core.instants import text_of
from core.states.records import Measurement
from core.words import uncomputed

KINDS = ("session", "action", "device", "registration")

STATES = (
    *("kind", "id", "source", "provider", "provider_id", "session", "user_id", "state", "outcome", "run", "events"),
    *("unsigned", "position", "first_at", "last_at", "anomalies", "erased", "machine", "fingerprint"),
)
TIMELINES = (
    *("kind", "id", "source", "provider", "provider_id", "position", "type", "sequence", "occurred_at", "received_at"),
    *("run", "measurement_id", "region", "from", "to", "rule", "reason", "anomalies", "signed"),
)

CsvRow = Sequence[object]


class Sheets:
    """Writes the tables of one log, folded with the present code. `sources` are the configured ones."""

    def __init__(self, whole: ExportReader, ids: Ids, sources: Mapping[str, Source]) -> None:
        self._whole = whole
        self._ids = ids
        self._sources = sources

    def states(self, chosen: Selection, tell: ExportProgress) -> Iterator[bytes]:
        """A line for each stream, followed by a session's measurements."""
        return self._sheet(STATES, self._state_rows, chosen, tell)

    def timelines(self, chosen: Selection, tell: ExportProgress) -> Iterator[bytes]:
        """A line for each event of each stream, in canonical order: what it did, or why nothing moved."""
        return self._sheet(TIMELINES, self._timeline_rows, chosen, tell)

    def _sheet(
        self,
        head: CsvRow,
        rows_of: Callable[["_Told", Selection], Iterable[CsvRow]],
        chosen: Selection,
        tell: ExportProgress,
    ) -> Iterator[bytes]:
        extent = self._whole.extent()
        yield line_of(head)
        for told in self._streams(chosen, extent, tell):
            for row in rows_of(told, chosen):
                yield line_of(row)

    def _streams(self, chosen: Selection, extent: Extent, tell: ExportProgress) -> Iterator["_Told"]:
        """No state for a source that is no longer configured, because nothing reads its bodies."""
        done = 0
        for kind in KINDS:
            for one in self._whole.streams(chosen, kind, extent):
                done += 1
                tell(done, None)
                source = self._sources.get(one.source)
                yield _Told(one, source, [to_event(*row, read=source.read) for row in one.events] if source else [])

    def _state_rows(self, told: "_Told", _: Selection) -> Iterator[CsvRow]:
        one, source = told.stream, told.source
        if source is None:
            yield (one.kind, one.stream, one.source, None, one.provider_id)
            return
        machine = told.machine(source)
        state = fold(machine, told.events, source.settings, one.base and one.base.state(machine))
        named = (one.base and one.base.position, machine.name, machine.fingerprint)
        yield (
            *(one.kind, one.stream, one.source, source.provider, one.provider_id, None, state.user_id, state.state),
            *(state.outcome, state.run, state.events, state.unsigned, state.position),
            *(text_of(state.first_at), text_of(state.last_at), _anomalies(state.anomalies, one.conflicts), *named),
        )
        for record in state.records():
            ours = self._measurement(one, record)
            yield (
                *("measurement", ours, one.source, source.provider, record.measurement_id, one.stream, None),
                *(record.state, record.outcome, record.run, None, None, record.position),
                *(text_of(record.started_at), text_of(record.ended_at), _anomalies(record.anomalies), *named),
            )

    def _measurement(self, one: ExportedStream, record: Measurement) -> str:
        return measurement_id(self._ids, one.base, one.source, one.provider_id or "", record)

    @staticmethod
    def _timeline_rows(told: "_Told", chosen: Selection) -> Iterator[CsvRow]:
        one, source = told.stream, told.source
        if source is None:
            return
        machine = told.machine(source)
        events = {event.position: event for event in told.events}
        for step in trace(machine, told.events, source.settings):
            event = events[step.position]
            if _within(event, chosen):
                yield (one.kind, one.stream, one.source, source.provider, one.provider_id, *_step(machine, event, step))


class _Told:
    """A stream and its history."""

    __slots__ = ("events", "source", "stream")

    def __init__(self, stream: ExportedStream, source: Source | None, events: list[Event]) -> None:
        self.stream = stream
        self.source = source
        self.events = events

    def machine(self, source: Source) -> StateMachine:
        return MACHINES[source.machine_of(self.stream.kind)]


def line_of(row: CsvRow) -> bytes:
    """A row as CSV. Text that a spreadsheet could compute gets a leading apostrophe."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_safe(cell) for cell in row])
    return text.getvalue().encode("utf-8", "backslashreplace")


def _safe(cell: object) -> object:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    return uncomputed(cell) if isinstance(cell, str) else cell


def _step(machine: StateMachine, event: Event, step: Step) -> CsvRow:
    region = (machine.table_of(event.type) or machine.tables[0]).name
    return (
        *(event.position, event.type, event.sequence, text_of(event.occurred_at), text_of(event.received_at)),
        *(step.run, step.measurement_id, region, in_region(step.before, region), in_region(step.after, region)),
        *(step.rule, step.reason, _anomalies(step.anomalies), event.signed),
    )


def _anomalies(found: Iterable[Anomaly], conflicts: Iterable[int] = ()) -> str:
    """`gap@12: sequence 7-8 missing; conflict@14`."""
    told: list[tuple[int, str]] = [(one.position, f"{one.kind}@{one.position}: {one.detail}") for one in found]
    told += [(position, f"conflict@{position}") for position in conflicts]
    return "; ".join(text for _, text in sorted(told))


def _within(event: Event, chosen: Selection) -> bool:
    at: Any = event.received_at
    return (chosen.since is None or at >= chosen.since) and (chosen.until is None or at < chosen.until)
