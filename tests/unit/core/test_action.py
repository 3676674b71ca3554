"""Actions, devices and registrations."""

from core.folding.fold import MACHINES, fold
from tests.support.streams import kinds, stream

ACTION, DEVICE, REGISTRATION = MACHINES["action"], MACHINES["device"], MACHINES["registration"]


def test_a_completion_ends_an_action_that_nobody_told_of():
    state = fold(ACTION, stream("push.completed device_id=d1 result=1"))

    assert (state.state, state.data, state.anomalies) == ("completed", {"device_id": "d1", "result": 1}, [])


def test_what_the_app_told_leads_to_the_webhook():
    events = stream("acknowledged told=true", "scheduled told=true", "push.failed error_code=E1")

    state = fold(ACTION, events)

    assert (state.state, state.data, state.anomalies) == ("failed", {"error_code": "E1"}, [])


def test_the_first_ending_stays_and_the_other_is_a_conflict():
    state = fold(ACTION, stream("push.completed result=1", "push.failed result=2 error_code=E1"))

    assert (state.state, state.data, kinds(state)) == ("completed", {"result": 1}, [("conflict", 2)])


def test_the_same_ending_again_moves_nothing_and_adds_what_was_missing():
    state = fold(ACTION, stream("push.completed result=1", "push.completed result=2 device_id=d1"))

    assert (state.state, state.data, state.anomalies) == ("completed", {"result": 1, "device_id": "d1"}, [])


def test_a_webhook_beats_a_told_ending():
    state = fold(ACTION, stream("cancelled told=true", "push.completed"))

    assert (state.state, kinds(state)) == ("completed", [("conflict", 2)])


def test_a_told_ending_never_beats_a_webhook():
    state = fold(ACTION, stream("push.completed", "cancelled told=true", "push.failed"))

    assert (state.state, kinds(state)) == ("completed", [("conflict", 2), ("conflict", 3)])


def test_a_told_ending_that_the_webhook_confirms_is_the_webhooks():
    state = fold(ACTION, stream("push.completed told=true", "push.completed", "push.failed"))

    assert (state.state, kinds(state)) == ("completed", [("conflict", 3)])


def test_nothing_goes_back():
    state = fold(
        ACTION, stream("scheduled told=true", "acknowledged told=true", "push.completed", "scheduled told=true")
    )

    assert (state.state, kinds(state)) == ("completed", [("unexpected", 2), ("unexpected", 4)])


def test_of_one_instant_the_acknowledgement_comes_first():
    state = fold(ACTION, stream("push.completed @5", "acknowledged @5 told=true"))

    assert (state.state, kinds(state)) == ("completed", [("late", 2)])


def test_contradictory_signals_are_kept_and_move_nothing():
    state = fold(ACTION, stream("push.completed known=false result=1"))

    assert (state.state, state.events, state.data) == ("unknown", 1, {})


def test_a_device_is_what_its_last_event_says():
    events = stream(
        "device.connected", "device.disconnected reconnection_url=https://example.com", "device.reconnected"
    )

    assert [fold(DEVICE, events[:count]).state for count in range(4)] == [
        "unknown",
        "connected",
        "disconnected",
        "reconnected",
    ]
    assert fold(DEVICE, events).data == {"reconnection_url": "https://example.com"}


def test_a_heartbeat_after_the_registration_is_alive():
    state = fold(REGISTRATION, stream("server_registration package_name=com.example.a", "server_heartbeat"))

    assert (state.state, state.data, state.anomalies) == ("alive", {"package_name": "com.example.a"}, [])


def test_a_heartbeat_from_nothing_is_unexpected_once():
    state = fold(REGISTRATION, stream("server_heartbeat", "server_heartbeat", "server_registration"))

    assert (state.state, kinds(state)) == ("registered", [("unexpected", 1)])
