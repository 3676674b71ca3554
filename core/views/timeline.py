"""A trace for people: what each event did, how long after the previous one, and where events are missing."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from core.event import Event, Instant
from core.folding.fold import Settings, StateMachine, Step, resumed, trace
from core.folding.prefixes import NUMBERED
from core.ordering.gaps import Gap


class Missing(msgspec.Struct, frozen=True, gc=False):
    """Numbers of the provider's sequence that have not come. `position` is that of the event after the gap."""

    first: int
    last: int
    position: int
    run: int
    measurement: int | None
    measurement_id: str | None

    @property
    def words(self) -> str:
        """`sequence 7-8 has not come`."""
        return f"sequence {Gap(self.first, self.last)} has not come"


class Happened(msgspec.Struct, gc=False):
    """An event and its step. `after` is the time since the previous event, `delay` that from the provider's clock to
    ours.

    Both are in microseconds. A negative delay means that the provider's clock is ahead of ours.
    """

    event: Event
    step: Step
    after: Instant | None
    delay: Instant | None

    @property
    def position(self) -> int:
        return self.event.position

    @property
    def run(self) -> int:
        return self.step.run

    @property
    def measurement(self) -> int | None:
        """The first position of the event's measurement."""
        return self.step.measurement


TimelineEntry = Happened | Missing


def timeline(kind: StateMachine, events: Iterable[Event], settings: Settings, onto: Any = None) -> list[TimelineEntry]:
    """The entries in canonical order. A gap precedes the event that reveals it. `onto` as in `fold`."""
    by_position = {event.position: event for event in events}
    steps = trace(kind, by_position.values(), settings, onto)
    return list(_entries(kind, by_position, steps, whole=onto is None))


class Following(msgspec.Struct, gc=False):
    """The events of a stream that follow a prefix, up to another prefix or to the end of the stream.

    `state` is the prefix's, `before` its last event (None if there is none). `late` and `gone` as in
    `core.folding.fold.resumed`. `names` maps the first positions of measurements to their ids.
    """

    events: list[Event]
    state: Any
    before: Event | None = None
    late: frozenset[int] = frozenset()
    gone: frozenset[str] = frozenset()
    names: dict[int, str | None] = {}


def timeline_part(kind: StateMachine, part: Following, settings: Settings) -> list[TimelineEntry] | None:
    """The entries of a part of a stream; None if they depend on events before it."""
    run = part.state.run
    steps = resumed(kind, part.state, part.events, part.late, settings, part.gone)
    if steps is None:
        return None
    named = {record.position: record.measurement_id for record in part.state.records()} | part.names
    for step in steps:
        step.measurement_id = named.get(step.measurement)
    by_position = {event.position: event for event in part.events}
    return list(_entries(kind, by_position, steps, whole=True, before=part.before, run=run))


def _entries(
    kind: StateMachine,
    events: dict[int, Event],
    steps: Iterable[Step],
    *,
    whole: bool,
    before: Event | None = None,
    run: int = 0,
) -> Iterator[TimelineEntry]:
    """`whole`: no earlier event was erased, so missing numbers before the first event are a gap. `before` belongs to
    `run`.
    """
    for step in steps:
        event = events[step.position]
        if kind.name == NUMBERED and (whole or before is not None):
            yield from _hole(step, event, before if run == step.run else None)
        yield Happened(event, step, _between(before, event), _delay(event))
        before, run = event, step.run


def _hole(step: Step, event: Event, earlier: Event | None) -> Iterator[Missing]:
    """The gap before an event, if there is one. `earlier` is the run's previous event. A run begins with number 0."""
    expected = (earlier.sequence or 0) + 1 if earlier is not None else 0
    number = event.sequence or 0
    if number > expected:
        yield Missing(expected, number - 1, event.position, step.run, step.measurement, step.measurement_id)


def _between(earlier: Event | None, event: Event) -> Instant | None:
    if earlier is None or earlier.occurred_at is None or event.occurred_at is None:
        return None
    return event.occurred_at - earlier.occurred_at


def _delay(event: Event) -> Instant | None:
    return None if event.occurred_at is None else event.received_at - event.occurred_at
