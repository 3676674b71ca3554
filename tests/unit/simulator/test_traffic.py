"""Repeated and late messages: bounded, reproducible, and nothing lost."""

from collections import Counter
from functools import partial
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from adapters.simulator import SCENARIOS, Message, ScenarioContext, disturbed, plays
from adapters.simulator.traffic import REACH

NUMBERED = [Message(str(number).encode()) for number in range(50)]
CHANCE = st.floats(0, 1)


@given(CHANCE, st.integers())
def test_disorder_loses_and_repeats_nothing(disorder, seed):
    out = list(disturbed(NUMBERED, 0, disorder, Random(seed)))

    assert Counter(out) == Counter(NUMBERED)


@given(CHANCE, st.integers())
def test_nothing_is_overtaken_by_more_than_the_reach(disorder, seed):
    out = list(disturbed(NUMBERED, 0, disorder, Random(seed)))

    overtaken = [
        sum(later > index for later in map(NUMBERED.index, out[: out.index(m)])) for index, m in enumerate(NUMBERED)
    ]
    assert max(overtaken) <= REACH


@given(CHANCE, CHANCE, st.integers())
def test_duplicates_come_after_or_near_their_original_and_no_message_comes_thrice(duplicates, disorder, seed):
    out = Counter(disturbed(NUMBERED, duplicates, disorder, Random(seed)))

    assert set(out) == set(NUMBERED)
    assert max(out.values()) <= 2


def test_without_disturbance_the_order_is_kept():
    assert list(disturbed(NUMBERED, 0, 0, Random(1))) == NUMBERED


def test_certain_duplicates_double_everything():
    assert Counter(disturbed(NUMBERED, 1, 0, Random(1))) == Counter(NUMBERED * 2)


def test_plays_take_the_scenarios_in_turn_and_are_never_the_same():
    scenarios = [SCENARIOS["amps"]["push_completed"], SCENARIOS["amps"]["push_failed"]]

    out = list(plays(scenarios, "amps", 4, partial(ScenarioContext, Random(1), 0)))

    assert [b"failedAt" in message.body for message in out] == [False, True, False, True]
    assert len(set(out)) == 4


def test_a_million_plays_are_made_one_by_one():
    visits = plays([SCENARIOS["wms"]["happy"]], "wms", 10**9, partial(ScenarioContext, Random(1), 0))

    endless = disturbed(visits, 0.5, 0.5, Random(1))

    assert next(endless).body.startswith(b"{")
