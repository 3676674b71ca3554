"""Where the provider numbers nothing, and when one event more needs all of them folded again."""

import pytest

from core.folding.fold import MACHINES, advance, fold
from tests.support.streams import stream

SESSION, MEASUREMENT = MACHINES["session"], MACHINES["measurement"]


def handled(kind: str, key: bytes, attempt: int, at: float):
    return stream(*["x"] * (5 + attempt), f"{kind} @{at} key={key.hex()} attempt={attempt}")[-1]


def test_the_next_event_is_folded_alone():
    first, second = stream("session_request @0", "stop_request @5")
    state = fold(SESSION, [first])

    assert advance(SESSION, state, second)
    assert state == fold(SESSION, [first, second])


def test_an_earlier_event_is_not_and_leaves_the_state_alone():
    first, second = stream("session_request @5", "stop_request @0")
    state = fold(SESSION, [first])

    assert not advance(SESSION, state, second)
    assert state == fold(SESSION, [first])


def test_the_same_position_again_is_not_folded():
    (event,) = stream("session_request @0")
    state = fold(SESSION, [event])

    assert not advance(SESSION, state, event)


def test_an_outcome_of_the_last_event_is_folded_alone():
    (request,) = stream("session_request @0")
    state = fold(SESSION, [request])

    assert advance(SESSION, state, handled("handler_failed", request.key, 1, 9))
    assert advance(SESSION, state, handled("handler_succeeded", request.key, 2, 1))
    assert state.state == "active"


def test_an_outcome_of_an_earlier_event_is_not():
    request, stop = stream("session_request @0", "stop_request @5")
    state = fold(SESSION, [request, stop])

    assert not advance(SESSION, state, handled("handler_failed", request.key, 1, 9))


def test_while_an_outcome_waits_for_its_event_all_is_folded_again():
    request, stop = stream("session_request @0", "stop_request @50")
    outcome = handled("handler_failed", request.key, 1, 9)
    state = fold(SESSION, [outcome])

    assert not advance(SESSION, state, stop)
    assert fold(SESSION, [outcome, request, stop]).runs[0].ended_by == "stop_request"


AGAIN = {
    "a number that fills a hole": ["A 0 @0", "A 2 @1", "A 1 @2"],
    "an earlier second": ["A 0 @5", "A 1 @4"],
    "a taken number where one is missing": ["A 0 @0", "A 2 @1", "A 0 @6"],
    "a number that was taken in this second": ["A 0 @0", "A 1 @1", "B 1 @1"],
    "the second of a reload": ["A 0 @0", "A 1 @1", "A 0 @9", "A 1 @9"],
}


@pytest.mark.parametrize("lines", AGAIN.values(), ids=AGAIN)
def test_what_the_walk_might_see_otherwise_is_folded_again(lines: list[str]):
    *before, event = stream(*lines)
    state = fold(MEASUREMENT, before)

    assert not advance(MEASUREMENT, state, event)
    assert state == fold(MEASUREMENT, before)


def test_a_reload_some_seconds_later_is_folded_alone_though_a_number_is_missing():
    *before, event = stream("A 0 @0", "A 2 @1", "A 1 @7")
    state = fold(MEASUREMENT, before)

    assert advance(MEASUREMENT, state, event)
    assert state == fold(MEASUREMENT, [*before, event])
    assert state.run == 2


def test_an_overlap_is_told_at_once():
    *before, event = stream("A 0 @0", "A 1 @1", "A 1 @9")
    state = fold(MEASUREMENT, before)

    assert advance(MEASUREMENT, state, event)
    assert "overlap" in {anomaly.kind for anomaly in state.anomalies}
