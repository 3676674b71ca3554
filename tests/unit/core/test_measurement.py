"""Sessions of wms: what a measurement came to, what is missing, what belongs to what."""

import pytest
from hypothesis import given, settings

from core.event import Event
from core.folding.fold import MACHINES, advance, fold, trace
from core.states.records import Chunk
from tests.support.random_streams import streams
from tests.support.streams import START, kinds, stream

MEASUREMENT = MACHINES["measurement"]
BEFORE = ["WMS_LOADED 0", "CONFIGURATION_LOADED 1", "CAMERA_PERMISSION_GRANTED 2", "CAMERA_STARTED 3"]
BEGUN = [*BEFORE, "MEASUREMENT_STARTED 4", "MEASUREMENT_CREATED 5 measurement_id=m1"]
RESULT = "INTERMEDIATE_RESULTS {} measurement_id=m1 result_sequence={} snr={}"


def at(second: float) -> int:
    return round((START + second) * 1_000_000)


def test_nothing_yet_is_waiting():
    state = fold(MEASUREMENT, [])

    assert (state.state, state.connection, state.visibility, state.measurements) == (
        "waiting",
        "unknown",
        "unknown",
        [],
    )


def test_a_measurement_keeps_the_time_of_each_step_and_its_chunks():
    events = stream(*BEGUN, RESULT.format(6, 1, 9.5), RESULT.format(7, 2, -100), "SCAN_COMPLETED 8 measurement_id=m1")

    (record,) = fold(MEASUREMENT, events).measurements

    assert (record.measurement_id, record.run, record.position, record.key) == ("m1", 1, 5, events[4].key.hex())
    assert record.steps == {
        "MEASUREMENT_STARTED": at(8),
        "MEASUREMENT_CREATED": at(10),
        "INTERMEDIATE_RESULTS": at(12),
        "SCAN_COMPLETED": at(16),
    }
    assert record.snr == [Chunk(1, 9.5, at(12), 7), Chunk(2, -100.0, at(14), 8)]
    assert (record.started_at, record.ended_at, record.complete) == (at(8), None, True)


def test_a_late_chunk_finds_its_place_and_the_gap_is_gone():
    *ahead, late = stream(*BEGUN, RESULT.format(7, 2, 5), RESULT.format(6, 1, 4))

    with_gap, without = fold(MEASUREMENT, ahead), fold(MEASUREMENT, [*ahead, late])

    assert kinds(with_gap) == [("gap", 7)]
    assert with_gap.anomalies[0].detail == "sequence 6 missing"
    assert kinds(without) == [("late", 8)]
    assert [chunk.sequence for chunk in without.measurements[0].snr] == [1, 2]
    assert without.measurements[0].complete


def test_a_run_begins_at_zero_and_several_missing_numbers_are_one_gap():
    state = fold(MEASUREMENT, stream("CAMERA_STARTED 3"))

    assert [(one.kind, one.detail) for one in state.anomalies] == [
        ("gap", "sequence 0-2 missing"),
        ("unexpected", "CAMERA_STARTED while waiting"),
    ]


def test_a_hole_behind_the_end_leaves_a_measurement_complete():
    events = stream(*BEGUN, RESULT.format(6, 1, 4), "LOW_SNR 7", "PAGE_UNLOADED 9")

    (record,) = fold(MEASUREMENT, events).measurements

    assert (record.complete, record.outcome, record.state) == (True, "canceled", "closed")


def test_a_hole_before_results_that_came_after_a_failure_counts():
    events = stream(*BEGUN, "API_ERROR 6 measurement_id=m1", "RESULTS_RECEIVED 8 measurement_id=m1")

    (record,) = fold(MEASUREMENT, events).measurements

    assert (record.complete, record.outcome) == (False, "completed")


def test_a_hole_in_front_of_an_event_that_nobody_knows_counts():
    (record,) = fold(MEASUREMENT, stream(*BEGUN, "DANCED 7 known=false")).measurements

    assert not record.complete


def test_a_measurement_that_was_not_seen_to_start_is_not_complete():
    events = stream(*BEFORE, "MEASUREMENT_CREATED 4 measurement_id=m1")

    (record,) = fold(MEASUREMENT, events).measurements

    assert (record.measurement_id, record.complete) == ("m1", False)


def test_one_that_never_got_an_id_has_a_record_too():
    events = stream(*BEFORE, "MEASUREMENT_STARTED 4", "GENERAL_ERROR 5 details=CAMERA_START_ERROR")

    state = fold(MEASUREMENT, events)

    assert [(one.measurement_id, one.outcome) for one in state.measurements] == [(None, "failed")]
    assert state.data == {"details": "CAMERA_START_ERROR"}


def test_an_error_before_any_measurement_fails_the_run_alone():
    state = fold(MEASUREMENT, stream(*BEFORE[:3], "GENERAL_ERROR 3 details=CAMERA_START_ERROR"))

    assert (state.state, state.outcome, state.measurements) == ("failed", "failed", [])


def test_a_denial_stays_when_the_page_goes_and_is_withdrawn_by_a_grant():
    denied = [*BEFORE[:2], "CAMERA_PERMISSION_DENIED 2"]

    gone = fold(MEASUREMENT, stream(*denied, "PAGE_UNLOADED 3"))
    granted = fold(MEASUREMENT, stream(*denied, "CAMERA_PERMISSION_GRANTED 3"))

    assert (gone.state, gone.outcome) == ("closed", "denied")
    assert (granted.state, granted.outcome, granted.anomalies) == ("camera_granted", None, [])


def test_a_lost_start_does_not_give_its_id_to_the_measurement_before():
    events = stream(
        *BEFORE,
        "MEASUREMENT_STARTED 4",
        "GENERAL_ERROR 5",
        "CAMERA_STARTED 6",
        "MEASUREMENT_CREATED 8 measurement_id=m2",
    )

    state = fold(MEASUREMENT, events)

    assert [(one.measurement_id, one.state) for one in state.measurements] == [(None, "failed"), ("m2", "created")]


def test_the_next_measurement_of_a_run_has_no_outcome_yet():
    state = fold(MEASUREMENT, stream(*BEGUN, "LOW_SNR 6", "MEASUREMENT_STARTED 7"))

    assert (state.outcome, [one.outcome for one in state.measurements]) == (None, ["canceled", None])


def test_a_camera_that_is_started_again_ends_what_went_before():
    state = fold(MEASUREMENT, stream(*BEGUN, "API_ERROR 6", "CAMERA_STARTED 7", "GENERAL_ERROR 8"))

    assert [(one.state, one.steps.get("GENERAL_ERROR")) for one in state.measurements] == [("failed", None)]
    assert kinds(state) == [("unexpected", 8)]


def test_an_old_sockets_end_does_not_wake_an_old_measurement():
    events = stream(
        *BEGUN,
        "LOW_SNR 6",
        "MEASUREMENT_STARTED 7",
        "WEBSOCKET_DISCONNECTED 8 measurement_id=m1",
        "MEASUREMENT_CREATED 9 measurement_id=m2",
    )

    state = fold(MEASUREMENT, events)

    assert [(one.measurement_id, one.state) for one in state.measurements] == [("m1", "canceled"), ("m2", "created")]
    assert "WEBSOCKET_DISCONNECTED" in state.measurements[0].steps


def test_the_connection_may_tell_the_id_first():
    state = fold(MEASUREMENT, stream(*BEGUN[:5], "WEBSOCKET_RECONNECTED 6 measurement_id=m1"))

    assert [one.measurement_id for one in state.measurements] == ["m1"]


def test_one_id_is_one_record_in_whatever_run():
    state = fold(MEASUREMENT, stream(*BEGUN, "WMS_LOADED 0", "RESULTS_RECEIVED 1 measurement_id=m1"))

    assert [(one.measurement_id, one.run, one.outcome) for one in state.measurements] == [("m1", 1, "completed")]
    assert not state.measurements[0].complete


def test_an_anomaly_is_also_the_measurements():
    state = fold(MEASUREMENT, stream(*BEGUN, RESULT.format(8, 1, 4)))

    assert state.measurements[0].anomalies == state.anomalies
    assert kinds(state) == [("gap", 7)]


def test_an_id_that_came_later_is_known_from_the_first_step():
    steps = trace(MEASUREMENT, stream(*BEGUN))

    assert [step.measurement_id for step in steps] == [None] * 4 + ["m1", "m1"]


def test_every_run_starts_from_the_initial_states():
    state = fold(MEASUREMENT, stream(*BEGUN, "WEBSOCKET_RECONNECTED 6", "PAGE_UNLOADED 7", "WMS_LOADED 0"))

    assert state.regions == {"measurement": "loaded", "connection": "unknown", "visibility": "unknown"}
    assert (state.outcome, state.run, [run.ended_by for run in state.runs]) == (None, 2, ["PAGE_UNLOADED", None])


def test_a_measurement_in_order_is_never_folded_again():
    events = stream(
        *BEGUN, RESULT.format(6, 1, 4), "PAGE_UNLOADED 7", "WMS_LOADED 0", "CONFIGURATION_LOADED 1", every=1
    )
    state = fold(MEASUREMENT, [])

    assert all(advance(MEASUREMENT, state, event) for event in events)


def test_chunks_of_any_shape_are_kept():
    events = stream(*BEGUN, "INTERMEDIATE_RESULTS 6", 'INTERMEDIATE_RESULTS 7 snr="x" result_sequence=1.5')

    (record,) = fold(MEASUREMENT, events).measurements

    assert [(chunk.sequence, chunk.snr) for chunk in record.snr] == [(None, None), (None, None)]


SCANNED = [*BEGUN, RESULT.format(6, 1, 4)]
COMPLETED = [*SCANNED, "SCAN_COMPLETED 7 measurement_id=m1", "RESULTS_RECEIVED 8 measurement_id=m1"]


def outcomes(*events: str) -> tuple[str | None, dict[str | None, str | None]]:
    """The session's outcome, and that of each measurement by its id."""
    state = fold(MEASUREMENT, stream(*events))
    return state.outcome, {one.measurement_id: one.outcome for one in state.measurements}


@pytest.mark.parametrize(
    ("first", "outcome"),
    [("CONSTRAINT_VIOLATION", "canceled"), ("API_ERROR", "failed"), ("WEBSOCKET_RECONNECTED", "abandoned")],
)
def test_a_measurement_whose_start_was_lost_has_an_outcome_of_its_own(first: str, outcome: str):
    lost = [f"{first} 11 measurement_id=m2", "PAGE_UNLOADED 12 measurement_id=m2"]

    assert outcomes(*COMPLETED, *lost) == (outcome, {"m1": "completed", "m2": outcome})


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [
        ("API_ERROR", "failed"),
        ("CONSTRAINT_VIOLATION", "canceled"),
        ("MEASUREMENT_CANCELED", "canceled"),
        ("PAGE_UNLOADED", "abandoned"),
    ],
)
@pytest.mark.parametrize("begun", [[], ["MEASUREMENT_CREATED 10 measurement_id=m2"]])
def test_what_ends_the_next_measurement_may_still_name_the_last(ending: str, outcome: str, begun: list[str]):
    events = [*COMPLETED, "MEASUREMENT_STARTED 9", *begun, f"{ending} {10 + len(begun)} measurement_id=m1"]

    assert outcomes(*events) == (outcome, {"m1": "completed", "m2" if begun else None: outcome})
    assert [step.measurement for step in trace(MEASUREMENT, stream(*events))][-1] == 10


ENDED = [*COMPLETED, "REDIRECTING_TO_CALLBACK 9 measurement_id=m1", "PAGE_UNLOADED 10 measurement_id=m1"]


@pytest.mark.parametrize(("again", "outcome"), [("API_ERROR", "failed"), ("PAGE_UNLOADED", "abandoned")])
def test_a_run_behind_the_end_leaves_a_finished_measurement_alone(again: str, outcome: str):
    state = fold(MEASUREMENT, stream(*ENDED, f"{again} 0 @60 measurement_id=m1"))

    assert (state.run, state.outcome) == (2, outcome)
    assert [(one.outcome, one.complete) for one in state.measurements] == [("completed", True)]


@pytest.mark.parametrize("beside", ["PAGE_VISIBILITY_CHANGE 11 visible=HIDDEN", "WEBSOCKET_DISCONNECTED 12"])
@pytest.mark.parametrize("named", ["", " measurement_id=m1", " measurement_id=m9"])
def test_what_stands_beside_the_sequence_moves_its_own_region_behind_the_goodbye(beside: str, named: str):
    over, after = fold(MEASUREMENT, stream(*ENDED)), fold(MEASUREMENT, stream(*ENDED, beside + named))

    assert (after.state, after.outcome, after.runs) == (over.state, over.outcome, over.runs) != (None, None, [])
    assert {after.connection, after.visibility} & {"hidden", "disconnected"}


def test_only_the_connection_told_of_a_measurement_and_the_page_was_left_all_the_same():
    state = fold(MEASUREMENT, stream("WMS_LOADED 0", "PAGE_UNLOADED 1", "WEBSOCKET_DISCONNECTED 2 measurement_id=m1"))

    assert (state.state, state.outcome) == ("abandoned", "abandoned")


@pytest.mark.parametrize("late", ["API_ERROR", "GENERAL_ERROR", "LOW_SNR", "MEASUREMENT_CANCELED", "PAGE_UNLOADED"])
@pytest.mark.parametrize("named", ["", " measurement_id=m1"])
def test_what_is_over_keeps_its_outcome_behind_the_goodbye(late: str, named: str):
    assert outcomes(*ENDED, f"{late} 11{named}") == ("completed", {"m1": "completed"})


def test_a_denial_stays_behind_the_goodbye():
    denied = [*BEFORE[:2], "CAMERA_PERMISSION_DENIED 2", "PAGE_UNLOADED 3"]

    assert outcomes(*denied, "LOW_SNR 4") == ("denied", {})


def test_a_page_that_comes_back_goes_on_measuring_in_its_run():
    back = ["MEASUREMENT_STARTED 11 @3600", "MEASUREMENT_CREATED 12 measurement_id=m2"]

    state = fold(MEASUREMENT, stream(*ENDED, *back))

    assert (state.state, state.outcome, state.run, state.runs[0].ended_by) == ("created", None, 1, None)
    assert [(one.measurement_id, one.run, one.outcome) for one in state.measurements] == [
        ("m1", 1, "completed"),
        ("m2", 1, None),
    ]


def test_a_page_that_comes_back_and_goes_again_ended_when_it_went_last():
    (run,) = fold(MEASUREMENT, stream(*ENDED, "MEASUREMENT_STARTED 11 @3600", "PAGE_UNLOADED 12 @3700")).runs

    assert (run.ended_at, run.ended_by) == (at(3700), "PAGE_UNLOADED")


@pytest.mark.parametrize(("ending", "outcome"), [("API_ERROR", "failed"), ("PAGE_UNLOADED", "abandoned")])
@pytest.mark.parametrize("upto", [10, 11])
def test_what_ends_one_that_nobody_saw_begin_ends_it_behind_redirect_and_goodbye(ending: str, outcome: str, upto: int):
    lost = f"{ending} {upto} measurement_id=m2"

    assert outcomes(*ENDED[:upto], lost)[1] == {"m1": "completed", "m2": outcome}


@pytest.mark.parametrize(
    ("ending", "outcome"), [("LOW_SNR", "canceled"), ("GENERAL_ERROR", "failed"), ("PAGE_UNLOADED", "abandoned")]
)
def test_a_stray_camera_does_not_cut_off_the_measurement_that_goes_on(ending: str, outcome: str):
    assert outcomes(*SCANNED, "CAMERA_STARTED 7", f"{ending} 8") == (outcome, {"m1": outcome})


def test_late_results_of_the_last_measurement_are_none_of_the_next():
    events = [
        *SCANNED,
        "API_ERROR 7 measurement_id=m1",
        "MEASUREMENT_STARTED 8",
        "MEASUREMENT_CREATED 9 measurement_id=m2",
    ]

    state = fold(MEASUREMENT, stream(*events, "RESULTS_RECEIVED 10 measurement_id=m1"))

    assert (state.state, kinds(state)) == ("completed", [("unexpected", 11)])
    assert outcomes(*events, "RESULTS_RECEIVED 10 measurement_id=m1") == (None, {"m1": "completed", "m2": None})


def test_a_withdrawn_denial_gives_the_measurements_outcome_back():
    denied = [*COMPLETED, "CAMERA_PERMISSION_DENIED 9"]

    assert outcomes(*denied) == ("denied", {"m1": "completed"})
    assert outcomes(*denied, "CAMERA_PERMISSION_GRANTED 10") == ("completed", {"m1": "completed"})


def test_a_stray_chunk_withdraws_no_results():
    stray = [*COMPLETED, RESULT.format(9, 2, 4), "REDIRECTING_TO_CALLBACK 10", "PAGE_UNLOADED 11"]

    assert outcomes(*stray) == ("completed", {"m1": "completed"})


def test_an_id_that_only_the_connection_told_has_a_record():
    state = fold(MEASUREMENT, stream(*COMPLETED, "WEBSOCKET_DISCONNECTED 9 measurement_id=m2"))

    assert [(one.measurement_id, list(one.steps)) for one in state.measurements[1:]] == [
        ("m2", ["WEBSOCKET_DISCONNECTED"])
    ]


NEXT = [*COMPLETED, "MEASUREMENT_STARTED 9", "MEASUREMENT_CREATED 10 measurement_id=m2"]
LATE_RESULTS = [
    *SCANNED,
    "API_ERROR 7 measurement_id=m1",
    "MEASUREMENT_STARTED 8",
    "MEASUREMENT_CREATED 9 measurement_id=m2",
    "RESULTS_RECEIVED 10 measurement_id=m1",
]


@pytest.mark.parametrize(
    ("ending", "outcome"), [("API_ERROR", "failed"), ("PAGE_UNLOADED", "abandoned"), ("LOW_SNR", "canceled")]
)
@pytest.mark.parametrize("named", ["", "measurement_id=m2"])
def test_a_late_chunk_of_the_last_measurement_does_not_let_it_go_on(ending: str, outcome: str, named: str):
    events = [*NEXT, RESULT.format(11, 2, 4), f"{ending} 12 {named}"]

    assert outcomes(*events) == (outcome, {"m1": "completed", "m2": outcome})
    assert len(fold(MEASUREMENT, stream(*events)).measurements[0].snr) == 2


def test_a_cancellation_of_what_is_over_cancels_no_other_results():
    results = [f"{kind} {at} measurement_id=m2" for at, kind in ((11, "SCAN_COMPLETED"), (12, "RESULTS_RECEIVED"))]

    found = outcomes(*NEXT, *results, "MEASUREMENT_CANCELED 13 measurement_id=m1")

    assert found == ("completed", {"m1": "completed", "m2": "completed"})


@pytest.mark.parametrize(
    ("ending", "outcome"),
    [("API_ERROR", "failed"), ("PAGE_UNLOADED", "abandoned"), ("CONSTRAINT_VIOLATION", "canceled")],
)
def test_late_results_of_the_last_measurement_settle_nothing_of_the_next(ending: str, outcome: str):
    found = outcomes(*LATE_RESULTS, f"{ending} 11 measurement_id=m2")

    assert found == (outcome, {"m1": "completed", "m2": outcome})


def test_an_end_that_names_a_measurement_which_is_not_over_is_its_own():
    again = ["MEASUREMENT_STARTED 7", "MEASUREMENT_CREATED 8 measurement_id=m2"]

    found = outcomes(*SCANNED, *again, "MEASUREMENT_CANCELED 9 measurement_id=m1")

    assert found == (None, {"m1": "canceled", "m2": None})


def test_an_anomaly_stays_with_the_measurement_whose_event_it_is():
    first, second = fold(MEASUREMENT, stream(*LATE_RESULTS)).measurements

    assert ([one.kind for one in first.anomalies], second.anomalies) == (["unexpected"], [])


def test_one_that_was_over_before_it_got_an_id_gives_no_room_to_the_next():
    events = [*BEFORE, "MEASUREMENT_STARTED 4", "LOW_SNR 5", "MEASUREMENT_CREATED 7 measurement_id=m2"]

    assert outcomes(*events) == (None, {None: "canceled", "m2": None})


def test_only_a_grant_withdraws_a_denial():
    assert outcomes(*BEFORE[:2], "CAMERA_PERMISSION_DENIED 2", "CONFIGURATION_LOADED 3") == ("denied", {})


def test_an_id_that_is_created_again_begins_again():
    again = ["MEASUREMENT_STARTED 9", "MEASUREMENT_CREATED 10 measurement_id=m1", "PAGE_UNLOADED 11"]

    assert outcomes(*COMPLETED, *again[:2])[0] is None
    assert outcomes(*COMPLETED, *again)[0] == "abandoned"


REASONS = {
    "completed": {"RESULTS_RECEIVED"},
    "canceled": {"MEASUREMENT_CANCELED", "LOW_SNR", "CONSTRAINT_VIOLATION"},
    "failed": {"GENERAL_ERROR", "API_ERROR"},
    "abandoned": {"PAGE_UNLOADED"},
}


@settings(max_examples=300)
@given(streams("measurement", most=20))
def test_every_outcome_of_a_measurement_has_its_reason_among_its_own_events(events: list[Event]):
    state = fold(MEASUREMENT, events)

    for record in state.measurements:
        assert record.outcome is None or REASONS[record.outcome] & record.steps.keys()
    going_on = state.measurement()
    assert going_on is None or state.outcome == going_on.outcome
