"""`make chaos` finds what is wrong with a log."""

from types import SimpleNamespace
from typing import Any

from tests.endurance.verdict import wrong_behind, wrong_in_log


def event(position: int, sequence: int, second: int) -> dict[str, Any]:
    at = f"2023-07-18T12:40:{second:02d}.000000Z"
    return {"position": position, "session_id": "visit", "sequence": sequence, "recorded_at": at}


def load(*acknowledged: tuple[int, int], paged: list[int], streamed: list[int]) -> Any:
    given = {("visit", sequence): position for sequence, position in acknowledged}
    return SimpleNamespace(acknowledged=given, last=max(given.values()), paged=paged, streamed=streamed)


def test_a_log_that_has_everything_once_is_right():
    events = [event(1, 0, 1), event(2, 1, 1), event(3, 2, 2)]

    assert list(wrong_in_log(events, load((0, 1), (1, 2), paged=[1, 2], streamed=[1, 2, 3]))) == []


def test_what_is_lost_doubled_skipped_or_recorded_earlier_is_found():
    events = [event(1, 0, 2), event(2, 1, 1), event(3, 1, 2)]

    found = list(wrong_in_log(events, load((1, 3), (2, 4), paged=[1, 3], streamed=[1, 2, 2, 3])))

    assert found == [
        "1 acknowledged and not there: (('visit', 2), 4)",
        "more than once in the log: ('visit', 1)",
        "an event was recorded before an earlier position",
        "who follows by page saw 2 of 3 positions: 2",
        "who follows by stream saw 4 of 3 positions: ",
    ]


def test_what_a_handler_got_twice_is_right_and_what_it_missed_or_got_too_early_is_found():
    def relayed(*numbers: int) -> Any:
        given = {("s0-0", 0): 1, ("s0-0", 1): 2, ("s0-0", 2): 3, ("s1-0", 0): 4}
        return SimpleNamespace(acknowledged=given, relayed=[("s0-0", number) for number in numbers])

    assert list(wrong_behind(relayed(0, 1, 0, 1, 2))) == []
    assert list(wrong_behind(relayed(0, 1))) == ["1 of 3 were not relayed: ('s0-0', 2)"]
    assert list(wrong_behind(relayed(0, 2, 1))) == ["a visit's deliveries were not relayed in their order"]
