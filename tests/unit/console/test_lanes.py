"""Where the events of a timeline stand: in which lane, at which time, with which number, and where some are missing."""

from types import SimpleNamespace
from typing import Any

from adapters.console.lanes import lanes


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


def test_a_number_is_written_where_there_is_room_and_told_on_hover_everywhere():
    drawn = lanes([step(0, 1, sequence=0), step(0.1, 2, sequence=1), step(30, 3, sequence=2)])

    assert drawn is not None
    assert [event.number for event in drawn.events] == ["0", "", "2"]
    assert [event.words.split(" ")[0] for event in drawn.events] == ["#0", "#1", "#2"]


def test_what_is_irregular_looks_so_and_says_why():
    late = [SimpleNamespace(kind="late")]

    drawn = lanes([step(0, 1), step(1, 2, before={"a": "x"}, after={"a": "y"}), step(2, 3, anomalies=late)])

    assert drawn is not None
    assert [event.look for event in drawn.events] == ["value", "moved", "irregular"]
    assert drawn.events[-1].words.endswith("(late)")
