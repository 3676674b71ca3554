"""What is not whole of a stream, by a time that is given."""

from core.event import SECOND
from core.folding.fold import MACHINES, Settings, fold
from core.views.completeness import findings
from core.views.derived import deadline
from tests.support.streams import START, stream

LIMITS = Settings(overdue_after=60 * SECOND, presumed_ended_after=3600 * SECOND)


def found(machine: str, second: float, *lines: str, settings: Settings = LIMITS) -> list[tuple[str, int | None]]:
    state = fold(MACHINES[machine], stream(*lines), settings)
    return [(one.what, one.position) for one in findings(machine, state, round((START + second) * SECOND), settings)]


def test_a_whole_scan_has_nothing_to_tell():
    done = ["MEASUREMENT_STARTED 0 @0", "MEASUREMENT_CREATED 1 measurement_id=m", "LOW_SNR 2", "PAGE_UNLOADED 3"]

    assert found("measurement", 9999, *done)[1:] == []


def test_numbers_that_never_came_and_events_that_came_late_are_told():
    lines = ["WMS_LOADED 0 @0", "CAMERA_STARTED 3 @3", "CONFIGURATION_LOADED 1 @1"]

    assert found("measurement", 5, *lines) == [("missing", 2), ("late", 3)]


def test_a_measurement_that_goes_on_is_no_finding_until_its_deadline():
    lines = ["WMS_LOADED 0 @0", "MEASUREMENT_STARTED 1 @5"]

    assert ("never_ended", 2) not in found("measurement", 65, *lines)
    assert found("measurement", 66, *lines)[-2:] == [("never_ended", 2), ("overdue", None)]


def test_a_measurement_that_another_one_or_another_run_followed_never_ended():
    again = ["MEASUREMENT_STARTED 0 @0", "MEASUREMENT_STARTED 1 @5"]
    reloaded = ["MEASUREMENT_STARTED 0 @0", "WMS_LOADED 0 @20"]
    left = ["MEASUREMENT_STARTED 0 @0", "REDIRECTING_TO_CALLBACK 1 @5", "PAGE_UNLOADED 2 @6"]

    assert [one for one in found("measurement", 6, *again) if one[0] == "never_ended"] == [("never_ended", 1)]
    assert ("never_ended", 1) in found("measurement", 21, *reloaded)
    assert ("never_ended", 1) in found("measurement", 7, *left)


def test_a_live_action_is_overdue_and_a_silent_session_presumed_to_have_ended():
    assert found("action", 61, "acknowledged @0") == [("overdue", None)]
    assert found("action", 60, "acknowledged @0") == []
    assert found("session", 3601, "session_request @0") == [("presumed_ended", None)]
    assert found("session", 9999, "session_request @0", settings=Settings()) == []


def test_silence_of_a_registration_proves_nothing():
    assert found("registration", 9999, "server_registration @0") == []


def test_keys_that_came_again_are_told_by_position():
    state = fold(MACHINES["device"], stream("device.connected @0"))

    told = findings("device", state, 0, LIMITS, conflicts=[1], doubled={1: 2})

    assert [(one.what, one.detail) for one in told] == [
        ("conflict", "delivered again with another body"),
        ("doubled", "delivered 2 times more"),
    ]


def test_a_device_waits_for_nothing():
    assert deadline("device", fold(MACHINES["device"], []), LIMITS) is None
