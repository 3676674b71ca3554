"""Runs of a wms session, against the rule word by word and against what really happened."""

from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.event import Event
from core.ordering.runs import runs
from tests.support.random_streams import streams
from tests.support.streams import stream

HAPPY = """WMS_LOADED CONFIGURATION_LOADED CAMERA_PERMISSION_GRANTED CAMERA_STARTED MEASUREMENT_STARTED
MEASUREMENT_CREATED INTERMEDIATE_RESULTS SCAN_COMPLETED RESULTS_RECEIVED PAGE_UNLOADED""".split()


def page(start: float, every: float = 2, upto: int = 10) -> list[str]:
    """One visit of the page: events numbered from 0."""
    return [f"{kind} {number} @{start + number * every}" for number, kind in enumerate(HAPPY[:upto])]


def numbers(events: list[Event]) -> list[list[int | None]]:
    return [[event.sequence for event in run.events] for run in runs(events)]


def told_apart(events: list[Event]) -> list[set[int]]:
    return [{event.position for event in run.events} for run in runs(events)]


def test_no_events_are_no_runs():
    assert runs([]) == []


def test_a_page_that_is_loaded_again_begins_a_run():
    events = stream(*page(0), *page(60))

    assert numbers(events) == [list(range(10)), list(range(10))]


def test_a_reload_in_the_second_of_the_unload_goes_behind_it():
    events = stream(*page(0), *page(18))

    assert told_apart(events) == [set(range(1, 11)), set(range(11, 21))]


def test_a_reload_in_the_middle_without_an_unload_begins_a_run():
    events = stream(*page(0, upto=6), *page(11))

    assert numbers(events) == [list(range(6)), list(range(10))]


def test_the_rest_of_a_run_in_the_reloads_second_stays_with_it():
    events = stream("WMS_LOADED 0 @0", "A 1 @1", "A 2 @2", "PAGE_UNLOADED 3 @2", "WMS_LOADED 0 @2", "A 1 @2", "A 2 @3")

    assert told_apart(events) == [{1, 2, 3, 4}, {5, 6, 7}]


def test_of_two_events_with_one_number_in_one_second_the_unload_is_the_older_runs():
    events = stream("A 0 @0", "PAGE_UNLOADED 1 @5", "B 0 @5", "C 1 @5", "D 2 @6")

    assert told_apart(events) == [{1, 2}, {3, 4, 5}]


def test_a_lost_beginning_is_seen_by_the_clock():
    events = stream("A 0 @0", "A 4 @1", "B 2 @30", "B 3 @31")

    assert numbers(events) == [[0, 4], [2, 3]]


def test_a_clock_that_steps_back_five_seconds_makes_no_run():
    events = stream("A 0 @10", "A 1 @11", "A 2 @6", "A 3 @7")

    assert numbers(events) == [[0, 1, 2, 3]]


def test_a_clock_that_steps_back_six_seconds_does():
    events = stream("A 0 @12", "A 1 @6")

    assert numbers(events) == [[1], [0]]


def test_a_number_that_goes_on_behind_the_unload_is_the_same_pages():
    events = stream("A 0 @0", "PAGE_UNLOADED 1 @1", "B 2 @1", "B 5 @3600")

    assert numbers(events) == [[0, 1, 2, 5]]


def test_a_reload_behind_a_page_that_spoke_after_its_goodbye_begins_a_run():
    events = stream("A 0 @0", "PAGE_UNLOADED 1 @1", "B 2 @1", "WMS_LOADED 0 @1", "A 1 @3")

    assert numbers(events) == [[0, 1, 2], [0, 1]]


def test_a_number_that_goes_on_in_the_reloads_second_is_the_older_pages():
    events = stream("A 0 @0", "PAGE_UNLOADED 1 @5", "WMS_LOADED 0 @5", "B 2 @5", "A 1 @6")

    assert told_apart(events) == [{1, 2, 4}, {3, 5}]


def test_a_run_that_begins_with_a_number_that_was_taken_overlaps():
    events = stream("A 0 @0", "B 0 @1", "A 1 @2", "B 1 @3")

    assert [run.overlap is not None for run in runs(events)] == [False, False, True]


def test_two_tabs_at_once_overlap_however_they_are_taken_apart():
    events = stream(*page(0, every=2), *page(9, every=2))

    found = runs(events)

    assert [next(iter(run.events)).sequence for run in found] == [0, 0, 4, 8]
    assert [run.overlap is not None for run in found] == [False, False, True, True]


def test_an_event_of_unknown_time_comes_last():
    events = stream("A 0 @?", "A 0 @5", "A 1 @6")

    assert told_apart(events) == [{2, 3}, {1}]


@st.composite
def visits(draw: st.DrawFn) -> tuple[list[Event], list[set[int]]]:
    """Visits of the page one after another, and which event is whose: what can be told apart at all.

    A visit's first number is not lost, nothing else of it happens in that second, and the next visit begins in the
    second of its last event or later.
    """
    lines, truth, clock = [], [], 0
    for visit in range(draw(st.integers(1, 4))):
        length = draw(st.integers(2, 10))
        kept = [0, *sorted(draw(st.sets(st.integers(1, length))))]
        unloaded = draw(st.booleans())
        for number in kept:
            kind = "PAGE_UNLOADED" if unloaded and number == kept[-1] and number else f"VISIT{visit}"
            lines.append(f"{kind} {number} @{clock} visit={visit}")
            clock += 0 if number == kept[-1] else draw(st.integers(number == 0, 3))
        truth.append(set(range(len(lines) - len(kept) + 1, len(lines) + 1)))
        clock += draw(st.integers(len(kept) == 1, 9))
    return stream(*lines), truth


@settings(max_examples=150)
@given(visited=visits(), data=st.data())
def test_lost_events_and_reloads_within_a_second_are_told_apart(visited, data: st.DataObject):
    events, truth = visited

    found = told_apart(data.draw(st.permutations(events)))

    assert found == truth


@settings(max_examples=150)
@given(st.lists(st.integers(-5, 3), min_size=1, max_size=20))
def test_a_clock_that_never_falls_more_than_five_seconds_behind_makes_no_run(steps: list[int]):
    clock, highest, lines = 50, 50, []
    for number, forward in enumerate(steps):
        clock = max(clock + forward, highest - 5)
        highest = max(highest, clock)
        lines.append(f"A {number} @{clock}")

    assert len(runs(stream(*lines))) == 1


@settings(max_examples=400)
@given(streams("measurement", most=16))
@example(stream("A 0 @0", "A 2 @1", "PAGE_UNLOADED 3 @1", "A 3 @1", "A 0 @1"))
def test_the_walk_is_the_rule_word_by_word(events: list[Event]):
    expected = word_by_word(events)

    assert told_apart(events) == [{event.position for event in run} for run in expected]


def word_by_word(events: list[Event]) -> list[list[Event]]:
    """The rule, slowly: of one second's events the next one is chosen again and again."""
    found: list[list[Event]] = [[]]
    left = list(events)
    while left:
        second = min(clock(event) for event in left)
        of_it = [event for event in left if clock(event) == second]
        event = min(of_it, key=lambda event: choice(found[-1], event))
        if opens(found[-1], event):
            found.append([])
        found[-1].append(event)
        left.remove(event)
    return found if found[0] else []


def choice(run: list[Event], event: Event) -> tuple[bool, int, bool, bytes]:
    goes_on = number(event) > max((number(other) for other in run), default=-1)
    return (not goes_on, number(event), not unload(event), event.key)


def opens(run: list[Event], event: Event) -> bool:
    taken = any(number(other) == number(event) for other in run)
    below = any(number(other) > number(event) and clock(event) - clock(other) > 5 for other in run)
    return taken or below


def unload(event: Event) -> bool:
    return event.type == "PAGE_UNLOADED" and event.known


def number(event: Event) -> int:
    return event.sequence or 0


def clock(event: Event) -> int:
    assert event.occurred_at is not None
    return event.occurred_at // 1_000_000
