"""Canonical order on disk is that in memory."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.evidence.arranged import Arranged
from core.event import Event
from core.folding.fold import MACHINES, Settings, Step, fold, trace, walked
from tests.support.random_streams import streams


@pytest.mark.parametrize("machine", ["measurement", "session"])
@settings(max_examples=100)
@given(data=st.data())
def test_its_steps_are_those_of_the_trace(machine: str, data: st.DataObject):
    events = data.draw(streams(machine))
    added = data.draw(st.permutations(events))

    steps, regions = walked_on_disk(machine, added)

    expected = trace(MACHINES[machine], events)
    for step in expected:
        step.measurement_id = None
    assert steps == expected
    state = fold(MACHINES[machine], events)
    assert regions == (state.regions, state.state, state.outcome, state.run, state.events)


def walked_on_disk(machine: str, events: list[Event]) -> tuple[list[Step], tuple[object, ...]]:
    kind, by_position = MACHINES[machine], {event.position: event for event in events}
    state = kind.State()

    def load(positions: Iterator[int]) -> Iterable[Event]:
        return (by_position[position] for position in positions)

    with closing(Arranged(kind)) as arranged:
        for event in events:
            arranged.add(event)
        arranged.arrange()
        steps = list(walked(kind, state, arranged.stretches(load), arranged, Settings()))
    return steps, (state.regions, state.state, state.outcome, state.run, state.events)


def test_a_full_disk_is_told_as_one():
    with closing(Arranged(MACHINES["session"])) as arranged:
        arranged._db.execute("PRAGMA max_page_count = 1")

        with pytest.raises(OSError, match="no room"):
            deque(map(arranged.tell, range(10_000)), maxlen=0)
