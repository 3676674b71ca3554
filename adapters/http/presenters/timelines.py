"""Timelines: what each event of a stream did and which are missing, in canonical order, at present or in the past."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

from flask import Response

from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, listing_of
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of, known
from adapters.http.presenters.erasures import told_by, words
from adapters.http.presenters.stream_resource import anomalies_of, record_of, state_of
from adapters.http.presenters.tables import CSV, TEXT, table, wanted_format
from adapters.sql import Arrival, Measured, Projected, Repeat, StreamPart, once, own_source
from core.clocks import Clocks
from core.event import Reading
from core.folding import prefixes
from core.folding.fold import MACHINES, StateMachine, in_region
from core.instants import seconds, text_of, utc
from core.views.timeline import Missing, TimelineEntry, timeline_part
from core.views.timeline import timeline as entries_of

FORMS = (CSV, TEXT)
"""The media types of a timeline besides JSON."""

Subject = Projected | Measured
Belongs = Callable[[TimelineEntry], bool]

_ERASED = "its body was {}: what it did stands in the state that is left"
_WHOLE_VISIT = "events of the whole visit: which of the erased ones belong to this measurement was erased"
_RETRACTED = "retracted by the event at position {}{}: the fold passes it by"


class TimelineLine(NamedTuple):
    """A line of a timeline: its key, and a function that makes its content. A gap has the position of the event after
    it.
    """

    entry: str
    position: int
    told: Callable[[], shapes.Step]


def timeline(ask: Ask[Any], row: Subject, belongs: Belongs = lambda _: True) -> list[TimelineLine]:
    """The entries of a stream for which `belongs` is true; none if its source is no longer configured.

    Raises Gone if the bodies were erased.
    """
    if row.source not in ask.api.sources:
        return []
    return whole_timeline(ask.api, row, clocks_of(ask) or ask.api.as_of.clocks()).lines(belongs)


def lines_of_measurement(ask: Ask[Any], row: Measured) -> list[TimelineLine]:
    """The entries of a measurement. Reads only the relevant part of a long session."""

    def belongs(entry: TimelineEntry) -> bool:
        return entry.measurement == row.opened

    if may_be_told_in_parts(ask, row):
        record = record_of(row)
        found = ask.api.parts.between(row, record.position, record.last, clocks_of(ask))
        part = timeline_of_part(ask.api, row, found)
        if part is not None:
            return part.lines(belongs)
    return timeline(ask, row, belongs)


def may_be_told_in_parts(ask: Ask[Any], row: Subject) -> bool:
    """Whether the stream is long enough to be read in parts."""
    return row.source in ask.api.sources and state_of(row).events > prefixes.LONG


def page_of_timeline(ask: Ask[queries.Timeline], row: Projected) -> Listing[shapes.Step] | None:
    """A page of a long stream's timeline from that part alone; None if the whole timeline is needed."""
    if wanted_format(ask.query.format or None) is not None or not may_be_told_in_parts(ask, row):
        return None
    limit, most, clocks = ask.query.limit, ask.query.limit + 1, clocks_of(ask)
    while True:
        found = ask.api.parts.behind(row, ask.after[1] if ask.after else 0, most, clocks)
        part = timeline_of_part(ask.api, row, found)
        if found is None or part is None:
            return None
        lines = part.lines()
        start = _start_behind(lines, ask.after)
        if start is None:
            return None
        if found.at_end or len(lines) > start + limit:
            return _told(listing_of(lines[start:], limit, None, _name_of))
        most *= 4


def _start_behind(lines: Sequence[TimelineLine], after: Any) -> int | None:
    names = [_name_of(line) for line in lines]
    if after is None:
        return 0
    return names.index(after) + 1 if after in names else None


def title_of(row: Subject, what: str) -> str:
    """The heading of a timeline as text, without the provider's id."""
    return f"{row.stream}  {row.source}  {row.machine}  {what}"


def title_of_measurement(row: Measured, lines: Sequence[TimelineLine]) -> str:
    """The same for a measurement. It says so where erased events of others may be among the lines."""
    title = title_of(row, row.measurement)
    return f"{title}  ({_WHOLE_VISIT})" if any(line.entry == "erased" for line in lines) else title


def answer(
    ask: Ask[queries.Timeline], title: str, lines: list[TimelineLine], sentence: Callable[[], str]
) -> Listing[shapes.Step] | Response:
    """A page of the timeline as JSON, or all of it as CSV or text. The text begins with the sentence that explains the
    state.
    """
    asked = ask.query.format or None
    media = wanted_format(asked)
    if media is not None:
        heading = [sentence(), title] if media == TEXT and lines else [title]
        return table(heading, [line.told() for line in lines], media, asked)
    return _told(listing_of(lines, ask.query.limit, ask.after, _name_of))


def whole_timeline(api: Api, row: Subject, clocks: Clocks) -> "Timeline":
    """The whole timeline at these times. Raises NotFound, Gone. The source must be configured."""
    return once(("timeline", row.stream, clocks), lambda: _whole(api, row, clocks))


def _whole(api: Api, row: Subject, clocks: Clocks) -> "Timeline":
    history = known("stream", lambda: api.as_of.history(row.stream, clocks))
    machine, base = MACHINES[row.machine], history.named.base()
    onto = base.state(machine) if base else None
    events = [one.event for one in history.arrivals if one.foldable]
    entries = entries_of(machine, events, api.sources[row.source].settings, onto)
    timeline = Timeline(api, machine, entries, history.arrivals, history.repeats)
    if history.named.erased is not None:
        timeline.erasure = told_by(api.reads, history.named.erased)
    return timeline


def timeline_of_part(api: Api, row: Subject, found: StreamPart | None) -> "Timeline | None":
    """The timeline of a part of a stream; None if it depends on events before the part."""
    if found is None:
        return None
    machine = MACHINES[row.machine]
    entries = timeline_part(machine, found.part, api.sources[row.source].settings)
    return None if entries is None else Timeline(api, machine, entries, found.arrivals, found.repeats)


class Timeline:
    """The entries of a stream or a part of it, with the stored details of each."""

    def __init__(
        self,
        api: Api,
        machine: StateMachine,
        entries: list[TimelineEntry],
        arrivals: Sequence[Arrival],
        repeats: Sequence[Repeat],
    ) -> None:
        self.entries = entries
        self.erasure: shapes.ErasureRecord | None = None
        self._arrivals = {one.event.position: one for one in arrivals}
        self._repeats: Counter[tuple[int, str]] = Counter()
        for repeat in repeats:
            self._repeats[repeat.position, repeat.verdict] += repeat.times
        self._body = api.reads.body
        self._machine = machine

    def lines(self, belongs: Belongs = lambda _: True) -> list[TimelineLine]:
        """The entries for which `belongs` is true, after the erased events and before the retracted ones.

        All of the erased ones: which of them belong to a measurement was erased with their bodies.
        """
        erased = [self._line_apart(one, "erased") for one in self._erased_in_order()]
        back = [one for one in self._arrivals.values() if one.retracted is not None and not one.erased]
        retracted = [self._line_apart(one, "retracted") for one in back]
        return [*erased, *(self._line(entry) for entry in self.entries if belongs(entry)), *retracted]

    def _erased_in_order(self) -> Iterator[Arrival]:
        """As the fold had them, as far as what is left of them tells."""
        events = {one.event.key: one.event for one in self._arrivals.values() if one.erased}
        for stretch in self._machine.arrange(events.values()):
            yield from (self._arrivals[event.position] for event in stretch.events)

    def _line(self, entry: TimelineEntry) -> TimelineLine:
        return TimelineLine(
            "gap" if isinstance(entry, Missing) else "event", entry.position, partial(self.shape, entry)
        )

    def shape(self, entry: TimelineEntry) -> shapes.Step:
        """An entry as returned by the API."""
        if isinstance(entry, Missing):
            return _empty("gap", entry.position, entry.run, entry.measurement_id, entry.words)
        step = entry.step
        table = self._machine.table_of(entry.event.type)
        region = (table or self._machine.tables[0]).name
        return self._happened(
            self._arrivals[entry.position],
            entry="event",
            after_s=seconds(entry.after),
            run=step.run,
            measurement_id=step.measurement_id,
            region=table and table.name,
            from_=in_region(step.before, region),
            to=in_region(step.after, region),
            before=step.before,
            after=step.after,
            rule=step.rule,
            reason=step.reason,
            guards=step.guards,
            anomalies=anomalies_of(step.anomalies),
        )

    def _line_apart(self, arrival: Arrival, entry: str) -> TimelineLine:
        return TimelineLine(entry, arrival.event.position, partial(self._apart, arrival, entry))

    def _apart(self, arrival: Arrival, entry: str) -> shapes.Step:
        back = arrival.retracted
        reason = self._gone() if back is None or arrival.erased else self._taken_back(back)
        nothing: dict[str, Any] = dict.fromkeys(("after_s", "measurement_id", "region", "from_", "to", "rule"))
        plain: dict[str, Any] = {"before": {}, "after": {}, "guards": {}, "anomalies": []}
        return self._happened(arrival, entry=entry, run=0, reason=reason, **nothing, **plain)

    def _gone(self) -> str:
        return _ERASED.format("erased" if self.erasure is None else words(self.erasure))

    def _taken_back(self, at: int) -> str:
        """Who retracted the event and why; unknown if an import left out the event that records it."""
        told = own_source().read(None, self._body(at) or b"")
        said = told.data if isinstance(told, Reading) else {}
        return _RETRACTED.format(at, f" ({said['who']}: {said['reason']})" if "reason" in said else "")

    def _happened(self, arrival: Arrival, **told: Any) -> shapes.Step:
        event = arrival.event
        delay = None if event.occurred_at is None else event.received_at - event.occurred_at
        return shapes.Step(
            position=event.position,
            type=event.type,
            sequence=event.sequence,
            occurred_at=text_of(event.occurred_at),
            received_at=utc(event.received_at),
            recorded_at=utc(arrival.recorded_at),
            verified_by=arrival.verified_by,
            delay_s=seconds(delay),
            duplicates=self._repeats[event.position, "duplicate"],
            conflicts=self._repeats[event.position, "conflict"],
            data=event.data,
            **told,
        )


def _told(page: Listing[TimelineLine]) -> Listing[shapes.Step]:
    return Listing([line.told() for line in page.items], page.following)


def _name_of(line: TimelineLine) -> list[Any]:
    return [line.entry, line.position]


def _empty(entry: Any, position: int, run: int, measurement_id: str | None, reason: str) -> shapes.Step:
    """Returns a timeline step that has no event, such as a gap. The event's fields are null or empty."""
    names = ("type", "sequence", "occurred_at", "received_at", "recorded_at", "verified_by", "after_s", "delay_s")
    nothing: dict[str, Any] = dict.fromkeys((*names, "region", "from_", "to", "rule"))
    plain: dict[str, Any] = {"before": {}, "after": {}, "guards": {}, "anomalies": [], "data": {}}
    counts: dict[str, Any] = {"duplicates": 0, "conflicts": 0}
    place: dict[str, Any] = {"position": position, "run": run, "measurement_id": measurement_id, "reason": reason}
    return shapes.Step(entry=entry, **place, **nothing, **plain, **counts)
