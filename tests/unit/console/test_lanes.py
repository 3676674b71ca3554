"""Where the events of a timeline stand: in which lane, at which time, with which number, and where some are missing."""

from itertools import combinations, pairwise
from math import hypot
from types import SimpleNamespace
from typing import Any

from adapters.console.lanes import lanes

RADIUS, WRITTEN = 6, 9
"""Of a drawn event, with its line; and of a number above it."""


def step(second: float, position: int = 1, region: str = "a", **more: Any) -> Any:
    told = {
        "occurred_at": f"2026-11-21T20:48:{second:09.6f}Z",
        "position": position,
        "region": region,
        "entry": "event",
    }
    told |= {"type": "X", "anomalies": [], "before": {}, "after": {}, "run": 1, "sequence": None, "reason": None}
    return SimpleNamespace(**told | more)


def gap(position: int) -> Any:
    return SimpleNamespace(entry="gap", position=position, occurred_at=None, run=1, reason="sequence 1 has not come")


def test_events_of_one_moment_stand_in_the_middle_of_their_lanes():
    drawn = lanes([step(0, region="a"), step(0, region="b")])

    assert drawn is not None
    assert len({event.x for event in drawn.events}) == 1
    assert len({event.y for event in drawn.events}) == 2
    assert lanes([step(0)]) is None


def test_what_the_handler_did_has_a_lane_of_its_own():
    drawn = lanes([step(0, 1, region="session"), step(1, 2, region="session", type="handler_failed")])

    assert drawn is not None
    assert [tick.text for tick in drawn.up] == ["session", "handler"]


def test_a_gap_stands_between_the_events_around_it_and_says_what_never_came():
    drawn = lanes([step(0, 1), gap(2), step(10, 2), step(20, 3)])

    assert drawn is not None
    (mark,) = drawn.marks
    assert (mark.look, mark.words) == ("gap", "sequence 1 has not come")
    assert drawn.events[0].x < mark.x < drawn.events[1].x
    assert "sequence 1 has not come" in drawn.words


def test_a_run_begins_where_its_first_event_stands():
    drawn = lanes([step(0, 1), step(10, 2, run=2), step(20, 3, run=2)])

    assert drawn is not None
    assert [(mark.x, mark.look, mark.text) for mark in drawn.marks] == [(drawn.events[1].x, "run", "run 2")]


def test_numbers_too_close_to_each_other_are_written_as_one_range_and_told_on_hover_everywhere():
    drawn = lanes([step(0, 1, sequence=0), step(0.1, 2, sequence=1), step(30, 3, sequence=2)])

    assert drawn is not None
    assert [event.number for event in drawn.events] == ["0-1", "", "2"]
    assert [event.words.split(" ")[0] for event in drawn.events] == ["#0", "#1", "#2"]


def test_what_is_irregular_looks_so_and_says_why():
    late = [SimpleNamespace(kind="late")]

    drawn = lanes([step(0, 1), step(1, 2, before={"a": "x"}, after={"a": "y"}), step(2, 3, anomalies=late)])

    assert drawn is not None
    assert [event.look for event in drawn.events] == ["value", "moved", "irregular"]
    assert drawn.events[-1].words.endswith("(late)")


def test_events_of_one_moment_stand_one_below_the_other_in_their_lane():
    drawn = lanes([*(step(0, number, sequence=number) for number in range(5)), step(0, 5, "b"), step(9, 6, "b")])

    assert drawn is not None
    stack = [event for event in drawn.events if event.words.startswith("#")]
    assert len({event.x for event in stack}) == 1
    heights = [event.y for event in stack]
    assert heights == sorted(heights)
    assert all(below - above >= 2 * RADIUS for above, below in pairwise(heights))
    assert [event.number for event in stack] == ["0-4", "", "", "", ""]
    assert drawn.up[1].at - heights[-1] >= 2 * RADIUS + WRITTEN
    assert drawn.height - drawn.events[-1].y >= 2 * RADIUS + WRITTEN


def test_no_event_lies_over_another_however_they_come():
    order = [0, 0, 4, 0.05, 2, 0.3, 0.2, 0.1, 4, 0.35, 0.5, 0.02, 10]

    drawn = lanes([step(second, position, sequence=position) for position, second in enumerate(order)])

    assert drawn is not None
    for one, other in combinations(drawn.events, 2):
        assert hypot(one.x - other.x, one.y - other.y) >= 2 * RADIUS


def test_of_very_many_events_at_one_moment_some_are_drawn_and_the_others_counted():
    drawn = lanes([*(step(0, number, sequence=number) for number in range(40)), step(30, 40, sequence=60)])

    assert drawn is not None
    (more,) = drawn.more
    assert len(drawn.events) + int(more.text) == 41
    assert more.href == f"#event-{len(drawn.events) - 1}"
    assert more.words == "32 events more at about this time: see the list"
    assert drawn.events[0].number == "0-39"


def test_numbers_of_which_some_stand_elsewhere_are_no_whole_range():
    drawn = lanes([step(0, 1, sequence=0), step(0, 2, "b", sequence=1), step(0, 3, sequence=2), step(9, 4)])

    assert drawn is not None
    assert [event.number for event in drawn.events] == ["0…2", "", "", "1"]
