"""What a sentence says of why something is in its state."""

from typing import Any

import pytest

from core.event import SECOND
from core.folding.fold import MACHINES, Settings, fold
from core.states.state import NOTHING_SET
from core.views.timeline import timeline
from core.views.why import why
from tests.support.streams import stream

LOADED = [
    "WMS_LOADED 0 @0",
    "CONFIGURATION_LOADED 1 @1",
    "CAMERA_PERMISSION_GRANTED 2 @2",
    "CAMERA_STARTED 3 @3",
    "MEASUREMENT_STARTED 4 @4",
    "MEASUREMENT_CREATED 5 @5 measurement_id=m",
]
SCANNING = [*LOADED, "INTERMEDIATE_RESULTS 6 @10 measurement_id=m"]
DONE = [*SCANNING, "SCAN_COMPLETED 7 @34 measurement_id=m", "RESULTS_RECEIVED 8 @36 measurement_id=m"]
START = "session_request @0 session_id=u-p user_id=u"


def told(machine: str, lines: list[str], settings: Settings = NOTHING_SET) -> Any:
    kind, events = MACHINES[machine], stream(*lines)
    return why(kind, timeline(kind, events, settings), fold(kind, events, settings), settings)


@pytest.mark.parametrize(
    ("machine", "lines", "said"),
    [
        (
            "measurement",
            [*SCANNING, "PAGE_VISIBILITY_CHANGE 7 @17 visible=HIDDEN", "PAGE_UNLOADED 8 @18"],
            "abandoned: PAGE_UNLOADED at 22:13:38 while scanning, 18 s after the page was loaded; no result had come.",
        ),
        (
            "measurement",
            [LOADED[0], "PAGE_UNLOADED 1 @200"],
            "abandoned: PAGE_UNLOADED at 22:16:40 while loaded, 3 min 20 s after the page was loaded; no measurement h",
        ),
        (
            "measurement",
            [*DONE, "PAGE_UNLOADED 9 @40"],
            (
                "closed, outcome completed: PAGE_UNLOADED at 22:14:00 while completed, 40 s after the page was loaded; "
                "RESULTS_RECEIVED at 22:13:56 set the outcome."
            ),
        ),
        (
            "measurement",
            [*SCANNING, "API_ERROR 7 @12 code=E42"],
            "failed: API_ERROR at 22:13:32 while scanning, 12 s after the page was loaded; the error is E42; no result",
        ),
        (
            "session",
            [START, "stop_request @7500 reason=user_disabled"],
            "stopped: stop_request at 00:18:20 while active, 2 h 5 min after it was started; no start is known within",
        ),
        ("session", ["stop_request @0"], "stopped: stop_request at 22:13:20 while idle."),
        (
            "action",
            ["acknowledged @0 told=true", "push.failed @3.5 error_code=E7"],
            "failed: push.failed at 22:13:23 while acknowledged, 3.5 s after it was acknowledged; the error is E7.",
        ),
        ("action", ["push.deferred @0 known=false"], "unknown: nothing came that moved it; it waits for acknowledged,"),
    ],
)
def test_a_sentence_says_what_brought_it_there_and_what_it_is_left_with(machine: str, lines: list[str], said: str):
    assert told(machine, lines).sentence.startswith(said)


def test_what_goes_on_says_what_it_waits_for_and_until_when():
    found = told("action", ["acknowledged @0 told=true"], Settings(overdue_after=600 * SECOND))

    assert found.sentence.endswith("overdue if nothing comes until 22:23:20.")


@pytest.mark.parametrize(
    ("machine", "lines"),
    [
        ("session", [START, "stop_request @60"]),
        ("measurement", [*SCANNING, "PAGE_UNLOADED 7 @18"]),
        ("measurement", [*DONE, "PAGE_UNLOADED 9 @40"]),
        ("action", ["push.completed @0"]),
    ],
)
def test_what_has_ended_waits_for_nothing(machine: str, lines: list[str]):
    found = told(machine, lines)

    assert (found.waits_for, found.deadline) == ([], None)
    assert "waits" not in found.sentence


def test_a_page_that_comes_back_waits_again():
    found = told("measurement", [*SCANNING, "PAGE_UNLOADED 7 @18", "INTERMEDIATE_RESULTS 8 @19 measurement_id=m"])

    assert found.waits_for
