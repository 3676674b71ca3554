"""A trace for people: what each event did, how long after the one before, and in its place what never came."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from core.event import Event, Instant
from core.fold import Kind, Settings, Step, resumed, trace
from core.prefixes import NUMBERED


class Missing(msgspec.Struct, frozen=True, gc=False):
    """Numbers of the provider's sequence that never came. `position` is that of the event behind the hole."""

    first: int
    last: int
    position: int
    run: int
    measurement: int | None
    measurement_id: str | None

    @property
    def words(self) -> str:
        """`sequence 7-8 never came`."""
        numbers = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"sequence {numbers} never came"


class Happened(msgspec.Struct, gc=False):
    """An event and its step. `after`: since the event before, `delay`: from the provider's clock to ours; microseconds.

    A negative delay means that the provider's clock is ahead of ours.
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
        """The first position of the measurement that the event belongs to."""
        return self.step.measurement


TimelineEntry = Happened | Missing


def timeline(kind: Kind, events: Iterable[Event], settings: Settings, onto: Any = None) -> list[TimelineEntry]:
    """The entries in canonical order. A hole stands in front of the event that shows it. `onto` is that of `fold`."""
    by_position = {event.position: event for event in events}
    steps = trace(kind, by_position.values(), settings, onto)
    return list(_entries(kind, by_position, steps, whole=onto is None))


class Following(msgspec.Struct, gc=False):
    """Events of a stream that follow on a prefix: all that come behind it up to another one, or up to the stream's end.

    `state` is that of the prefix, `before` its last event (None: nothing is before them). `late` and `gone` are those
    of `core.fold.resumed`. `names`: the ids of measurements by the positions of their first events.
    """

    events: list[Event]
    state: Any
    before: Event | None = None
    late: frozenset[int] = frozenset()
    gone: frozenset[str] = frozenset()
    names: dict[int, str | None] = {}


def timeline_part(kind: Kind, part: Following, settings: Settings) -> list[TimelineEntry] | None:
    """The entries of a part of a stream; None where they can only be told with all before them."""
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
    kind: Kind,
    events: dict[int, Event],
    steps: Iterable[Step],
    *,
    whole: bool,
    before: Event | None = None,
    run: int = 0,
) -> Iterator[TimelineEntry]:
    """`whole`: no earlier events are gone, so that a hole before the first one is a hole. `before` was in that run."""
    for step in steps:
        event = events[step.position]
        if kind.name == NUMBERED and (whole or before is not None):
            yield from _hole(step, event, before if run == step.run else None)
        yield Happened(event, step, _between(before, event), _delay(event))
        before, run = event, step.run


def _hole(step: Step, event: Event, earlier: Event | None) -> Iterator[Missing]:
    """Every run begins with number 0. `earlier`: the event before, in the same run."""
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
