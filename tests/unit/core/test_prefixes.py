"""Prefixes: whoever goes on from one tells the same as whoever begins with the first event."""

from itertools import pairwise
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.clocks import Clocks, covered
from core.event import SECOND, Event
from core.folding import prefixes
from core.folding.fold import MACHINES, Settings, Step, advance, decode, encode, fold, fold_on, resumed, trace
from core.folding.long_fold import fold_behind, fold_loaded
from core.folding.prefixes import Prefix, is_due, is_over_by, is_past, lies_in_time
from core.ordering.order import OUTCOMES
from core.states import records
from core.states import state as states
from core.states.state import State
from core.views.timeline import Following, timeline, timeline_part
from tests.support.random_streams import streams
from tests.support.streams import stream

CONFIGURED = Settings(package_name="com.example.other")
every_machine = pytest.mark.parametrize("machine", sorted(MACHINES))
often = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


class Kept(NamedTuple):
    """A prefix as it is stored, and what has left its state."""

    position: int
    last: int
    others: frozenset[int]
    state: bytes
    gone: frozenset[str]

    def holds(self, event: Event) -> bool:
        return event.position <= self.position or event.position in self.others


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that short streams come up to."""
    monkeypatch.setattr(prefixes, "EVERY", 3)
    monkeypatch.setattr(prefixes, "LONG", 2)
    monkeypatch.setattr(records, "KEPT", 1)
    for name in ("HELD", "BLOCK"):
        monkeypatch.setattr(states, name, 2)


def kept(prefix: Prefix) -> Kept:
    state = msgspec.structs.replace(prefix.state)
    gone = frozenset(getattr(state, "settled", ()))
    state.taken_out()
    return Kept(prefix.position, prefix.last, frozenset(prefix.others), encode(state), gone)


def cuts(machine: str, events: list[Event]) -> list[Kept]:
    """Of a fold of the whole stream."""
    found: list[Kept] = []
    by_position = {event.position: event for event in {event.key: event for event in events}.values()}
    load = lambda positions: (by_position[position] for position in positions)  # noqa: E731 - as short as it is
    fold_loaded(
        MACHINES[machine], by_position.values(), load, CONFIGURED, None, lambda prefix: found.append(kept(prefix))
    )
    return found


def nameless(steps: list[Step]) -> list[Step]:
    return [msgspec.structs.replace(step, measurement_id=None) for step in steps]


def part_between(machine: str, events: list[Event], first: Kept, last: Kept | None) -> list[Step] | None:
    part = [event for event in events if not first.holds(event) and (last is None or last.holds(event))]
    late = last.others if last is not None else frozenset[int]()
    return resumed(MACHINES[machine], decode(MACHINES[machine], first.state), part, late, CONFIGURED, first.gone)


@every_machine
@often
@given(data=st.data())
def test_what_follows_on_a_prefix_does_what_it_does_in_the_whole(machine: str, data: st.DataObject):
    drawn = data.draw(streams(machine, 16))
    places = data.draw(st.permutations(range(1, len(drawn) + 1))) if data.draw(st.booleans()) else range(1, 99)
    events = [msgspec.structs.replace(event, position=at) for event, at in zip(drawn, places, strict=False)]
    events.sort(key=lambda event: event.position)
    steps = nameless(trace(MACHINES[machine], events, CONFIGURED))
    found = cuts(machine, events)

    for first, last in [(one, other) for at, one in enumerate(found) for other in [*found[at + 1 :], None]]:
        begun = sum(first.holds(event) for event in events)
        ended = len(events) if last is None else sum(last.holds(event) for event in events)
        assert all(first.holds(event) == (event.position in {s.position for s in steps[:begun]}) for event in events)
        assert steps[begun - 1].position == first.last
        told = part_between(machine, events, first, last)
        assert told is None or told == steps[begun:ended]


def folded_behind(machine: str, events: list[Event], start: Kept) -> tuple[State, list[Kept]] | None:
    """What a fold from a prefix on comes to, and the prefixes that it leaves; None where it cannot go on from there."""
    kind, found = MACHINES[machine], list[Kept]()
    state = decode(kind, start.state)
    rest = {event.position: event for event in events if not start.holds(event)}
    stretches = kind.go_on(state, rest.values())
    if stretches is None or any(state.elsewhere(event) in start.gone for event in rest.values()):
        return None
    prefix = Prefix(start.position, start.last, sorted(start.others), state)
    load = lambda positions: (rest[position] for position in positions)  # noqa: E731 - as short as it is
    state = fold_behind(kind, prefix, stretches, load, CONFIGURED, lambda prefix: found.append(kept(prefix)))
    state.taken_out()
    return state, found


@every_machine
@often
@given(data=st.data())
def test_a_late_event_is_folded_from_a_prefix_before_it_to_what_a_fold_of_all_comes_to(
    machine: str, data: st.DataObject
):
    """Those kept before it came are still prefixes, as far as it comes behind them."""
    drawn = data.draw(streams(machine, 16))
    late = drawn.pop(data.draw(st.integers(0, len(drawn) - 1))) if drawn else None
    events = [
        msgspec.structs.replace(event, position=at) for at, event in enumerate([*drawn, *filter(None, [late])], 1)
    ]
    whole = fold(MACHINES[machine], events, CONFIGURED)
    whole.taken_out()
    steps = nameless(trace(MACHINES[machine], events, CONFIGURED))

    for start in cuts(machine, events[:-1]):
        told = folded_behind(machine, events, start)
        if told is None:
            continue
        state, found = told
        assert state == whole
        for one in found:
            begun = sum(one.holds(event) for event in events)
            assert {step.position for step in steps[:begun]} == {e.position for e in events if one.holds(e)}
            assert steps[begun - 1].position == one.last
            rest = part_between(machine, events, one._replace(gone=one.gone | start.gone), None)
            assert rest is None or rest == steps[begun:]


@every_machine
@often
@given(data=st.data())
def test_the_past_is_folded_from_a_prefix_of_the_present_to_what_a_fold_of_what_was_known_comes_to(
    machine: str, data: st.DataObject
):
    kind, events = MACHINES[machine], shuffled(data, machine)
    position, as_of = data.draw(st.integers(0, len(events))), data.draw(st.none() | st.integers(0, 120 * SECOND // 2))
    asked = covered(Clocks(position, as_of), events)
    whole = fold(kind, asked, CONFIGURED)
    whole.taken_out()

    for start in cuts(machine, events):
        state, rest = decode(kind, start.state), [event for event in asked if not start.holds(event)]
        if start.position > position or any(one > position for one in start.others):
            continue
        if as_of is not None and (start.others or not is_over_by(kind, state, as_of)):
            continue
        assert len(rest) == len(asked) - sum(start.holds(event) for event in events)
        if fold_on(kind, state, rest, CONFIGURED, start.gone):
            state.taken_out()
            assert state == whole


@every_machine
@often
@given(data=st.data())
def test_of_what_lies_in_time_nothing_behind_a_prefix_that_is_past_had_happened(machine: str, data: st.DataObject):
    kind, events, as_of = MACHINES[machine], shuffled(data, machine), data.draw(st.integers(0, 120 * SECOND // 2))
    ends = {event.position: event.occurred_at for event in events}

    for one in cuts(machine, events):
        at = ends[one.last]
        if lies_in_time(kind, fold(kind, events)) and at is not None and is_past(kind, as_of, at):
            assert all(one.holds(event) for event in covered(Clocks(len(events), as_of), events))


def shuffled(data: st.DataObject, machine: str) -> list[Event]:
    """A stream in any order of arrival; a handler's outcome always tells its time."""
    drawn = [one for one in data.draw(streams(machine, 16)) if one.type not in OUTCOMES or one.occurred_at is not None]
    places = data.draw(st.permutations(range(1, len(drawn) + 1))) if data.draw(st.booleans()) else range(1, 99)
    events = [msgspec.structs.replace(event, position=at) for event, at in zip(drawn, places, strict=False)]
    return sorted(events, key=lambda event: event.position)


def test_a_pair_that_came_the_wrong_way_round_is_told_from_the_prefix_before_it():
    events = stream(*[f"PAGE_VISIBILITY_CHANGE {number}" for number in range(12)])
    order = [0, 1, 2, 3, 4, 6, 5, *range(7, 12)]
    events = [msgspec.structs.replace(events[number], position=at) for at, number in enumerate(order, 1)]
    steps = nameless(trace(MACHINES["measurement"], events, CONFIGURED))

    first, *_, last = cuts("measurement", events)

    begun, ended = (sum(one.holds(event) for event in events) for one in (first, last))
    assert part_between("measurement", events, first, last) == steps[begun:ended]


def test_a_reload_of_a_page_of_which_a_number_never_came_is_told_from_a_prefix():
    first = [f"PAGE_VISIBILITY_CHANGE {number}" for number in range(7) if number != 1]
    events = stream(*first, *[f"PAGE_VISIBILITY_CHANGE {number} @{20 + number}" for number in range(4)])
    steps = nameless(trace(MACHINES["measurement"], events, CONFIGURED))

    one, *_ = cuts("measurement", events)

    begun = sum(one.holds(event) for event in events)
    assert part_between("measurement", events, one, None) == steps[begun:]


def test_prefixes_are_close_at_both_ends_and_few_between_them(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefixes, "NEAR", 8)
    events = stream(*[f"PAGE_VISIBILITY_CHANGE {number}" for number in range(600)])

    ends = [one.position for one in cuts("measurement", events)]

    gaps = [later - earlier for earlier, later in pairwise(ends)]
    assert gaps[:6] == gaps[-6:] == [3] * 6
    assert max(gaps) == 48
    assert len(ends) < 80


@every_machine
@often
@given(data=st.data())
def test_a_state_that_came_event_by_event_is_a_prefix_as_long_as_all_come_in_order(machine: str, data: st.DataObject):
    kind, events = MACHINES[machine], data.draw(streams(machine, 16))
    state, found = fold(kind, []), list[Kept]()

    for count, event in enumerate(events, 1):
        if not advance(kind, state, event, CONFIGURED):
            state, found = fold(kind, events[:count], CONFIGURED), []
        elif is_due(state):
            found.append(kept(Prefix(state.position, event.position, [], state)))

    steps = nameless(trace(kind, events, CONFIGURED))
    for first, last in [(one, other) for at, one in enumerate(found) for other in [*found[at + 1 :], None]]:
        begun = sum(first.holds(event) for event in events)
        ended = len(events) if last is None else sum(last.holds(event) for event in events)
        told = part_between(machine, events, first, last)
        assert told is None or told == steps[begun:ended]


def test_the_part_of_a_timeline_is_what_stands_there_in_the_whole():
    visit = ["WMS_LOADED 0", "CONFIGURATION_LOADED 1", "CAMERA_PERMISSION_GRANTED 3", "CAMERA_STARTED 4"]
    events = stream(*visit, "MEASUREMENT_STARTED 6", "MEASUREMENT_CREATED 7 measurement_id=m1", "PAGE_UNLOADED 9")
    kind = MACHINES["measurement"]
    whole = timeline(kind, events, CONFIGURED)

    first, second = cuts("measurement", events)

    for found, following in ((first, whole[4:]), (second, whole[8:])):
        before = next(event for event in events if event.position == found.last)
        rest = [event for event in events if not found.holds(event)]
        assert timeline_part(kind, Following(rest, decode(kind, found.state), before), CONFIGURED) == following


def test_one_event_that_came_late_is_held_by_the_prefixes_behind_it():
    *ahead, late = stream(*[f"PAGE_VISIBILITY_CHANGE {number}" for number in [*range(1, 9), 0]])
    ahead = [msgspec.structs.replace(event, position=number) for number, event in enumerate(ahead, 1)]
    late = msgspec.structs.replace(late, position=9, occurred_at=ahead[0].occurred_at)

    found = cuts("measurement", [*ahead, late])

    assert [(one.position, sorted(one.others)) for one in found] == [(2, [9]), (5, [9]), (9, [])]


def test_what_is_far_ahead_of_the_others_leaves_no_two_prefixes_at_one_position(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prefixes, "EVERY", 100)
    events = stream(*["session_request 0"] * 302)
    dated = [None if number == 101 else number for number in range(1, 303)]
    events = [msgspec.structs.replace(one, position=at, occurred_at=dated[at - 1]) for at, one in enumerate(events, 1)]

    assert [one.position for one in cuts("session", events)] == [100, 302]
