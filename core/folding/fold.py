"""Folds a stream's events in canonical order into a state and a trace. Pure; the order of arrival does not matter."""

from collections.abc import Container, Iterable, Iterator
from collections.abc import Set as AbstractSet
from typing import Any

import msgspec

from core.event import SECOND, Anomaly, Event, Instant, Note
from core.machines.action import action
from core.machines.device import device
from core.machines.measurement import measurement
from core.machines.registration import registration
from core.machines.session import session
from core.ordering.sequence_order import OVERLAP
from core.states.state import NOTHING_SET, Segment, Settings, State, StateMachine, by_position_and_kind
from core.states.table import Transition, nothing

MACHINES: dict[str, StateMachine] = {kind.name: kind for kind in (session, registration, action, device, measurement)}
"""Every machine by name. A wms session is folded by `measurement`; elsewhere the machine has the name of the stream's
kind."""

SKEW: Instant = 300 * SECOND
"""How far an event's time may lie after its receipt before it counts as clock skew."""

LATE = (Note("late", "arrived after an event that follows it in sequence"),)
SKIPPED = nothing("recorded, but not understood")
NEVER = 1 << 63

_encoder = msgspec.msgpack.Encoder()


class Step(msgspec.Struct, gc=False):
    """What one event did: the regions before and after, the row that applied, or the reason why nothing moved.

    `measurement` is the first position of the event's measurement, `measurement_id` the id that this measurement got,
    now or later. `guards` maps each condition that was evaluated (as words) to its result.
    """

    position: int
    before: dict[str, str]
    after: dict[str, str]
    rule: str | None
    reason: str | None
    anomalies: list[Anomaly]
    run: int
    measurement: int | None
    measurement_id: str | None = None
    guards: dict[str, bool] = {}


def in_region(regions: dict[str, str], region: str) -> str:
    """The region's state before or after a step. A machine without regions has one unnamed state."""
    return regions[region] if region in regions else regions["state"]


def fold(kind: StateMachine, events: Iterable[Event], settings: Settings = NOTHING_SET, onto: Any = None) -> Any:
    """Folds a set of one stream's events, in whatever order they come, into a `kind.State`.

    `onto` is a state that earlier events, which were erased, had produced; it is updated in place.
    """
    state = kind.State() if onto is None else onto
    for event, notes in _walk(kind, state, events):
        apply(kind, state, event, notes, settings)
    return state


def advance(kind: StateMachine, state: Any, event: Event, settings: Settings = NOTHING_SET) -> bool:
    """Applies one more event to the state in place, if it is the last in canonical order.

    True means that the state now equals `fold` of all the events. False means that nothing changed and all events must
    be folded again.
    """
    if event.position <= state.position:
        return False
    notes = kind.follow(state, event)
    if notes is None:
        return False
    apply(kind, state, event, notes, settings)
    return True


def walked(
    kind: StateMachine, state: State, stretches: Iterable[Segment], late: Container[int], settings: Settings
) -> Iterator[Step]:
    """Yields the steps of `trace` for events that the caller has put into canonical order.

    `late` holds the positions of events that arrived after one that follows them in order. `measurement_id` is not set,
    since the id may come later. `state` is updated in place and drops what was yielded: it ends with the regions, the
    outcome, the counts and the measurements.
    """
    for event, notes in along(kind, state, stretches, late):
        yield _traced(kind, state, event, notes, settings)
        state.shed()


def trace(
    kind: StateMachine, events: Iterable[Event], settings: Settings = NOTHING_SET, onto: Any = None
) -> list[Step]:
    """What each event did, in canonical order. `onto` as in `fold`."""
    state = kind.State() if onto is None else onto
    steps = [_traced(kind, state, event, notes, settings) for event, notes in _walk(kind, state, events)]
    names = {record.position: record.measurement_id for record in state.records()}
    for step in steps:
        step.measurement_id = names.get(step.measurement)
    return steps


def resumed(
    kind: StateMachine,
    state: Any,
    events: Iterable[Event],
    late: AbstractSet[int],
    settings: Settings,
    gone: Container[str],
) -> list[Step] | None:
    """What each event after a prefix did; None if the prefix is not enough to be certain. Updates the prefix's state in
    place.

    `late` holds the positions of those events that arrived after one that follows all of them in order. `gone` holds
    the ids of measurements that began in the prefix and have left its state. `measurement_id` is not set.
    """
    stretches = kind.go_on(state, events)
    if stretches is None:
        return None
    steps: list[Step] = []
    for event, notes in along(kind, state, stretches, late_in(stretches) | late):
        if state.elsewhere(event) in gone:
            return None
        steps.append(_traced(kind, state, event, notes, settings))
    return steps


def fold_on(kind: StateMachine, state: Any, events: Iterable[Event], settings: Settings, gone: Container[str]) -> bool:
    """Applies all events after a prefix to its state in place; False if the prefix is not enough to be certain.

    True means that the state equals `fold` of all the events, without what had left the prefix's state. `gone` as in
    `resumed`.
    """
    stretches = kind.go_on(state, events)
    if stretches is None:
        return False
    for event, notes in along(kind, state, stretches, late_in(stretches)):
        if state.elsewhere(event) in gone:
            return False
        apply(kind, state, event, notes, settings)
    return True


def late_positions(kind: StateMachine, events: Iterable[Event]) -> set[int]:
    """Positions of the events that arrived after one that follows them in canonical order."""
    return late_in(kind.arrange({event.key: event for event in events}.values()))


def encode(state: Any) -> bytes:
    """The state as MessagePack with short names."""
    return _encoder.encode(state)


def decode(kind: StateMachine, snapshot: bytes) -> Any:
    """Reads an encoded state. Raises msgspec.DecodeError if a machine with another fingerprint wrote it."""
    return kind.decoder.decode(snapshot)


def _walk(kind: StateMachine, state: State, events: Iterable[Event]) -> Iterator[tuple[Event, tuple[Note, ...]]]:
    """The events in canonical order, each with the notes that its place gives it."""
    stretches = kind.arrange({event.key: event for event in events}.values())
    yield from along(kind, state, stretches, late_in(stretches))


def late_in(stretches: Iterable[Segment]) -> set[int]:
    """Positions of the events that arrived after one that follows them. The stretches must hold lists, since they are
    iterated.
    """
    positions = [event.position for stretch in stretches for event in stretch.events]
    return set() if positions == sorted(positions) else set(late_ones(reversed(positions)))


def along(
    kind: StateMachine, state: State, stretches: Iterable[Segment], late: Container[int]
) -> Iterator[tuple[Event, tuple[Note, ...]]]:
    """The events of arranged stretches, each with the notes that its place gives it. Begins each stretch when it is
    reached.
    """
    for stretch in stretches:
        kind.begin(state, stretch)
        for event in stretch.events:
            notes = LATE if event.position in late else ()
            yield event, (*notes, OVERLAP) if event.position == stretch.overlap else notes


def late_ones(backwards: Iterable[int]) -> Iterator[int]:
    """The late ones among all positions of a stream, given from the last in canonical order to the first."""
    earliest = NEVER
    for position in backwards:
        if position > earliest:
            yield position
        else:
            earliest = position


def apply(
    kind: StateMachine, state: Any, event: Event, notes: tuple[Note, ...], settings: Settings
) -> tuple[Transition, list[Anomaly]]:
    """Folds one event; returns the row that applied and the event's anomalies."""
    known = len(state.anomalies)
    _observe(state, event)
    if notes or event.notes:
        for note in (*event.notes, *notes):
            state.mark(note.kind, event, note.detail)
    stood = state.stands
    done = kind.step(state, event, settings) if event.known else _skip(kind, state, event)
    state.note_move(event, stood, done)
    fresh = state.anomalies[known:]
    if fresh:
        del state.anomalies[known:]
        fresh.sort(key=by_position_and_kind)
        state.marked(fresh)
    return done, fresh


def _skip(kind: StateMachine, state: Any, event: Event) -> Transition:
    kind.skip(state, event)
    return SKIPPED


def _observe(state: State, event: Event) -> None:
    """Records what every event carries, whatever its type."""
    state.events += 1
    state.position = max(state.position, event.position)
    if not event.signed:
        state.unsigned = True
    user_id = event.data.get("user_id")
    if user_id is not None and event.known and isinstance(user_id, str):
        state.user_id = user_id
    if event.occurred_at is not None:
        _observe_time(state, event, event.occurred_at)


def _observe_time(state: State, event: Event, at: Instant) -> None:
    """Updates `first_at` and `last_at`. A time too far after the receipt is skewed, so the time of receipt counts for
    silence.
    """
    if at > event.received_at + SKEW:
        ahead = (at - event.received_at) // SECOND
        state.mark("clock_skew", event, f"says that it happened {ahead} s after it reached us")
        at = event.received_at
    if state.first_at is None or at < state.first_at:
        state.first_at = at
    if state.last_at is None or at > state.last_at:
        state.last_at = at


def _traced(kind: StateMachine, state: Any, event: Event, notes: tuple[Note, ...], settings: Settings) -> Step:
    before = _regions(state)
    guards = _guards(kind, state, event)
    done, anomalies = apply(kind, state, event, notes, settings)
    return Step(
        position=event.position,
        before=before,
        after=_regions(state),
        rule=None if done.to is None else done.rule,
        reason=done.why if done.to is None else None,
        anomalies=anomalies,
        run=state.run,
        measurement=state.subject(event),
        guards=guards,
    )


def _guards(kind: StateMachine, state: Any, event: Event) -> dict[str, bool]:
    """The conditions' results before the step. They read nothing that the step changes before they are evaluated."""
    asked: dict[str, bool] = {}
    for table in kind.tables if event.known else ():
        current = state.regions.get(table.name, state.state)
        asked |= table.guards(current, event.type, state, event)
    return asked


def _regions(state: State) -> dict[str, str]:
    return state.regions or {"state": state.state}
