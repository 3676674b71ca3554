"""The fold against itself: any order, any number of duplicates, one by one or all at once."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.event import Event
from core.fold import MACHINES, Settings, advance, decode, encode, fold, trace
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


def _at(event: Event, position: int) -> Event:
    return msgspec.structs.replace(event, position=position)


def _timeless(state: Any) -> Any:
    """A state without what speaks of arrival."""
    state.position = 0
    state.anomalies = sorted((one.kind, one.detail) for one in state.anomalies if one.kind != "late")
    for record in getattr(state, "measurements", ()):
        record.position = 0
        record.anomalies = sorted((one.kind, one.detail) for one in record.anomalies if one.kind != "late")
        record.snr = [(chunk.sequence, chunk.snr, chunk.at) for chunk in record.snr]
    return state
