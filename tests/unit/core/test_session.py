"""Sessions of augmentos and mentraos: one id, started and stopped for ever."""

from core.folding.fold import MACHINES, Settings, fold
from core.states.state import Run
from tests.support.streams import START, kinds, stream

SESSION = MACHINES["session"]


def at(second: float) -> int:
    return round((START + second) * 1_000_000)


def test_nothing_yet_is_idle():
    state = fold(SESSION, [])

    assert (state.state, state.run, state.events, state.outcome) == ("idle", 0, 0, None)


def test_a_start_begins_a_run_and_a_stop_ends_it_with_the_reason_as_sent():
    events = stream("session_request @0", "stop_request @60 reason=user_disabled")

    state = fold(SESSION, events)

    assert state.state == "stopped"
    assert state.runs == [Run(1, at(0), at(60), "stop_request", "user_disabled")]
    assert state.runs[0].duration_s == 60
    assert state.anomalies == []


def test_a_stop_and_a_start_within_ten_seconds_is_a_restart():
    events = stream("session_request @0", "stop_request @60", "session_request @70")

    state = fold(SESSION, events)

    assert [run.restarted for run in state.runs] == [True, False]
    assert (state.state, state.run) == ("active", 2)


def test_a_start_a_moment_later_is_the_users_doing():
    events = stream("session_request @0", "stop_request @60", "session_request @70.001")

    assert [run.restarted for run in fold(SESSION, events).runs] == [False, False]


def test_a_restart_within_one_instant_stops_before_it_starts():
    events = stream("session_request @0", "session_request @60", "stop_request @60")

    state = fold(SESSION, events)

    assert (state.state, state.run, kinds(state)) == ("active", 2, [("late", 3)])


def test_a_second_start_supersedes_the_run():
    events = stream("session_request @0", "session_request @60")

    state = fold(SESSION, events)

    assert [(run.ended_by, run.ended_at) for run in state.runs] == [("superseded", at(60)), (None, None)]


def test_a_stop_alone_is_unexpected_but_believed():
    state = fold(SESSION, stream("stop_request @0", "stop_request @5"))

    assert (state.state, state.runs) == ("stopped", [])
    assert kinds(state) == [("unexpected", 1), ("unexpected", 2)]


def test_a_recovery_goes_on_with_the_run():
    state = fold(SESSION, stream("session_request", "session_recovery"))

    assert (state.state, state.run, state.anomalies) == ("recovering", 1, [])


def test_a_recovery_of_nothing_begins_a_run_and_is_unexpected():
    state = fold(SESSION, stream("session_recovery"))

    assert (state.state, state.run, kinds(state)) == ("recovering", 1, [("unexpected", 1)])


def test_a_handlers_outcome_follows_the_event_that_it_was_given():
    request, stop = stream("session_request @0", "stop_request @5")
    _, failed = stream("x", f"handler_failed @9 key={request.key.hex()} attempt=1")
    _, _, again = stream("x", "y", f"handler_succeeded @9 key={request.key.hex()} attempt=2")

    assert fold(SESSION, [request, failed]).state == "failed"
    assert fold(SESSION, [request, again, failed]).state == "active"
    assert fold(SESSION, [request, stop, failed]).state == "stopped"


def test_a_start_after_a_failure_ends_the_failed_run():
    request, second = stream("session_request @0", "session_request @60")
    failed = stream("x", "y", f"handler_failed @1 key={request.key.hex()} attempt=1")[2]

    state = fold(SESSION, [request, second, failed])

    assert [run.ended_by for run in state.runs] == ["failed", None]


WHO = "user_id=ada-b@example.com session_id=ada-b@example.com-com.example.my-app"


def test_the_package_is_what_follows_the_user_in_the_sessions_id():
    state = fold(SESSION, stream(f"session_request {WHO}"))

    assert (state.user_id, state.data["package"]) == ("ada-b@example.com", "com.example.my-app")


def test_another_package_than_configured_is_told_once():
    events = stream(f"session_request {WHO}", f"stop_request {WHO}")

    state = fold(SESSION, events, Settings(package_name="com.example.captions"))

    assert kinds(state) == [("wrong_package", 1)]


def test_the_configured_package_and_an_id_without_one_are_fine():
    named = stream(f"session_request {WHO}")
    plain = stream("session_request user_id=u session_id=session-1")

    assert fold(SESSION, named, Settings(package_name="com.example.my-app")).anomalies == []
    assert fold(SESSION, plain, Settings(package_name="com.example.my-app")).anomalies == []


def test_a_type_that_nobody_knows_moves_nothing():
    state = fold(SESSION, stream("session_request", "session_paused known=false user_id=eve"))

    assert (state.state, state.events, state.user_id) == ("active", 2, None)


def test_an_event_from_the_future_is_told_and_counts():
    state = fold(SESSION, stream("session_request @301 received=0", "stop_request @300 received=0"))

    assert (state.state, kinds(state)) == ("active", [("clock_skew", 1), ("late", 2), ("unexpected", 2)])


def test_one_unsigned_event_leaves_the_stream_unsigned():
    assert fold(SESSION, stream("session_request signed=false", "stop_request")).unsigned
    assert not fold(SESSION, stream("session_request", "stop_request")).unsigned


def test_an_event_of_unknown_time_comes_last():
    state = fold(SESSION, stream("stop_request @?", "session_request @5"))

    assert (state.state, state.first_at, state.last_at) == ("stopped", at(5), at(5))
    assert state.runs[0].duration_s is None
