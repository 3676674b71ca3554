"""What follows from a state and `now`."""

import pytest

from core.event import SECOND
from core.folding.fold import MACHINES, Settings, fold
from core.views.derived import derived
from tests.support.streams import START, stream

LIMITS = Settings(overdue_after=60 * SECOND, presumed_ended_after=3600 * SECOND)


def at(second: float) -> int:
    return round((START + second) * SECOND)


def after(machine: str, second: float, *lines: str, settings: Settings = LIMITS) -> dict[str, object]:
    return derived(machine, fold(MACHINES[machine], stream(*lines)), at(second), settings)


def test_a_session_that_is_silent_for_long_is_presumed_to_have_ended():
    assert after("session", 3600, "session_request @0") == {"presumed_ended": False, "open_for_s": 3600.0}
    assert after("session", 3601, "session_request @0") == {"presumed_ended": True, "open_for_s": 3601.0}


def test_nothing_is_presumed_that_is_not_configured():
    assert after("session", 10**6, "session_request @0", settings=Settings())["presumed_ended"] is False


def test_a_stopped_session_is_not_open():
    assert after("session", 9999, "session_request @0", "stop_request @5") == {
        "presumed_ended": False,
        "open_for_s": None,
    }


def test_a_live_action_is_overdue_and_a_settled_one_is_not():
    assert after("action", 61, "acknowledged @0") == {"overdue": True, "age_s": 61.0}
    assert after("action", 60, "acknowledged @0")["overdue"] is False
    assert after("action", 61, "push.completed @0")["overdue"] is False
    assert after("action", 61, "acknowledged @0", settings=Settings())["overdue"] is False


def test_a_registration_falls_silent():
    assert after("registration", 300, "server_heartbeat @0") == {"silent": False, "silent_for_s": 300.0}
    assert after("registration", 301, "server_heartbeat @0")["silent"] is True


def test_a_device_is_what_it_is_since_its_last_event():
    assert after("device", 7, "device.connected @0", "device.disconnected @5") == {"since_s": 2.0}


def test_a_start_dated_in_the_future_does_not_keep_a_session_open_for_ever():
    future = "session_request @9999999 received=0"

    assert after("session", 5, future) == {"presumed_ended": False, "open_for_s": None}
    assert after("session", 3603, future, "stop_request @2")["presumed_ended"] is True
    assert after("session", -1, "session_request @0")["open_for_s"] == 0.0
    assert after("registration", 301, "server_heartbeat @9999999 received=0")["silent"] is True
    assert after("action", 61, "acknowledged @9999999 received=0")["overdue"] is True


def test_a_page_is_open_until_it_is_unloaded():
    assert after("measurement", 7, "WMS_LOADED 0 @0") == {"open_for_s": 7.0}
    assert after("measurement", 7, "WMS_LOADED 0 @0", "PAGE_UNLOADED 1 @2") == {"open_for_s": None}


@pytest.mark.parametrize("machine", sorted(MACHINES))
def test_a_stream_that_was_only_mentioned_has_no_age(machine: str):
    values = after(machine, 7).values()

    assert all(value in {None, False} for value in values)
