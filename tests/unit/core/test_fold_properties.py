"""The fold against itself: any order, any number of duplicates, one by one or all at once."""

import copy
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.event import Event
from core.folding.fold import MACHINES, Settings, advance, decode, encode, fold, trace
from core.states import records
from core.states import state as states
from core.states.records import Measurement, MeasurementState
from tests.support.random_streams import streams

CONFIGURED = Settings(package_name="com.example.other")
every_machine = pytest.mark.parametrize("machine", sorted(MACHINES))


@every_machine
@settings(max_examples=80)
@given(data=st.data())
def test_any_order_and_any_duplicates_give_one_state(machine: str, data: st.DataObject):
    events = data.draw(streams(machine))
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events))) if events else events))

    state = fold(MACHINES[machine], shuffled, CONFIGURED)

    assert state == fold(MACHINES[machine], events, CONFIGURED)


@every_machine
@settings(max_examples=80)
@given(data=st.data())
def test_any_order_of_arrival_gives_one_state(machine: str, data: st.DataObject):
    events = data.draw(streams(machine))
    arrived = [
        _at(event, position) for event, position in zip(data.draw(st.permutations(events)), range(1, 99), strict=False)
    ]

    state = fold(MACHINES[machine], arrived, CONFIGURED)

    assert _timeless(state) == _timeless(fold(MACHINES[machine], events, CONFIGURED))


@every_machine
@settings(max_examples=120)
@given(data=st.data())
def test_one_event_more_is_the_fold_of_them_all(machine: str, data: st.DataObject):
    kind, events = MACHINES[machine], data.draw(streams(machine))
    state = fold(kind, [], CONFIGURED)

    for count, event in enumerate(events, 1):
        before = copy.deepcopy(state)
        moved = advance(kind, state, event, CONFIGURED)
        whole = fold(kind, events[:count], CONFIGURED)

        assert state == (whole if moved else before)
        state = decode(kind, encode(whole))
        assert state == whole


@every_machine
@settings(max_examples=50)
@given(data=st.data())
def test_the_trace_tells_the_way_to_the_state(machine: str, data: st.DataObject):
    events = data.draw(streams(machine))

    steps = trace(MACHINES[machine], events, CONFIGURED)
    state = fold(MACHINES[machine], events, CONFIGURED)

    assert sorted(step.position for step in steps) == [event.position for event in events]
    assert all((step.rule is None) != (step.reason is None) for step in steps)
    told = [anomaly for step in steps for anomaly in step.anomalies]
    assert sorted(told, key=lambda anomaly: (anomaly.position, anomaly.kind)) == state.anomalies
    assert not steps or steps[-1].after == (state.regions or {"state": state.state})


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds that short streams come up to."""
    for module, name, bound in ((states, "NEWEST", 3), (states, "HELD", 1), (states, "BLOCK", 2)):
        monkeypatch.setattr(module, name, bound)
    monkeypatch.setattr(records, "NEWEST_CHUNKS", 2)
    monkeypatch.setattr(records, "KEPT", 1)


@every_machine
@pytest.mark.usefixtures("small")
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_a_bounded_state_holds_is_the_same_for_every_order_and_one_by_one(machine: str, data: st.DataObject):
    kind, events = MACHINES[machine], data.draw(streams(machine, 20))
    whole = fold(kind, events, CONFIGURED)

    one_by_one = fold(kind, [], CONFIGURED)
    for count, event in enumerate(events, 1):
        if not advance(kind, one_by_one, event, CONFIGURED):
            one_by_one = fold(kind, events[:count], CONFIGURED)

    assert fold(kind, data.draw(st.permutations(events)), CONFIGURED) == whole
    assert one_by_one == whole
    assert [run.run for run in (*whole.over, *whole.runs)] == list(range(1, whole.run + 1))
    told = [anomaly.kind for step in trace(kind, events, CONFIGURED) for anomaly in step.anomalies]
    assert (whole.counts, len(whole.anomalies)) == (Counter(told), min(3, len(told)))


@pytest.mark.usefixtures("small")
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_measurements_that_are_kept_elsewhere_come_to_the_same_as_those_that_are_not(data: st.DataObject):
    kind, events = MACHINES["measurement"], data.draw(streams("measurement", 20))
    elsewhere: dict[str, Measurement] = {}
    hot = fold(kind, [], CONFIGURED)

    for count, event in enumerate(events, 1):
        whole = fold(kind, events[:count], CONFIGURED)
        name = hot.elsewhere(event)
        if name in elsewhere:
            hot.settled[name] = elsewhere[name]
        if not advance(kind, hot, event, CONFIGURED):
            hot, elsewhere = copy.deepcopy(whole), {}
        elsewhere |= hot.settled
        hot.settled, hot.nameless = {}, []

        told = {one.measurement_id: elsewhere[one.measurement_id] for one in whole.settled.values()}
        assert told == whole.settled
        whole.settled, whole.nameless = {}, []
        assert hot == whole
        hot = decode(kind, encode(hot))


def _at(event: Event, position: int) -> Event:
    return msgspec.structs.replace(event, position=position)


def _timeless(state: Any) -> Any:
    """A state without what speaks of arrival."""
    state.position = 0
    state.anomalies = sorted((one.kind, one.detail) for one in state.anomalies if one.kind != "late")
    state.counts.pop("late", None)
    if isinstance(state, MeasurementState):
        state.owners = {}
    state.moves.first = state.moves.last = 0
    for record in state.records():
        record.position = record.last = 0
        record.anomalies = sorted((one.kind, one.detail) for one in record.anomalies if one.kind != "late")
        record.counts.pop("late", None)
        record.snr = [(chunk.sequence, chunk.snr, chunk.at) for chunk in record.snr]
    return state
