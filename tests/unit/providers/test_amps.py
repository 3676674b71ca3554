"""What an Amps body says, of every generation, and how its type is found."""

import json

import pytest

from adapters.providers.amps import Amps
from core.event import Note, Unreadable
from tests.support.deliveries import amps

NOON = 1_757_505_600_000_000
"""2025-09-10T12:00:00Z."""

COMPLETED_2 = {
    "actionId": "act-1",
    "deviceId": "dev-1",
    "actionType": "charge.start",
    "parameters": {"limit": 80},
    "result": {"success": True},
    "completedAt": "2025-09-10T12:00:00Z",
}
FAILED_2 = {
    "actionId": "act-1",
    "deviceId": "dev-1",
    "actionType": "charge.start",
    "parameters": {},
    "error": {"code": "DEVICE_OFFLINE", "message": "The device did not answer"},
    "failedAt": "2025-09-10T12:00:00.000Z",
}
COMPLETED_3 = {
    "actionId": "act-1",
    "deviceId": "dev-1",
    "deviceType": "charger",
    "command": "start",
    "parameters": {"limit": 80},
    "result": {"success": True, "accepted": "yes"},
    "completedAt": "2025-09-10T12:00:00Z",
}
FAILED_3 = {
    **COMPLETED_3,
    "result": {"success": False},
    "errorCode": "DEVICE_OFFLINE",
    "errorMessage": "The device did not answer",
}
DEVICE = {"deviceId": "dev-1", "deviceType": "charger", "timestamp": "2025-09-10T12:00:00Z"}
GENERATIONS = [
    (COMPLETED_2, "push.completed"),
    (COMPLETED_3, "push.completed"),
    (FAILED_2, "push.failed"),
    (FAILED_3, "push.failed"),
]


def read(document, **settings):
    return amps(**settings).read(json.dumps(document).encode())


def enveloped(word, document):
    return {"eventId": "evt-1", "type": word, "createdAt": "2025-09-10T13:00:00Z", "data": document}


@pytest.mark.parametrize(("document", "word"), GENERATIONS)
def test_every_generation_is_read_by_its_shape(document, word):
    reading = read(document)

    assert (reading.kind, reading.provider_id, reading.type, reading.known) == ("action", "act-1", word, True)
    assert (reading.occurred_at, reading.sequence, reading.mentions) == (NOON, None, "dev-1")


@pytest.mark.parametrize(("document", "word"), GENERATIONS)
def test_every_generation_is_read_in_an_envelope(document, word):
    reading = read(enveloped(word, document))

    assert (reading.type, reading.known, reading.occurred_at) == (word, True, NOON)
    assert reading.data == {**read(document).data, "event_id": "evt-1"}


@pytest.mark.parametrize("name", ["type", "eventType", "event"])
def test_an_explicit_type_is_taken_from_any_of_its_names(name):
    assert read({name: "device.reconnected", **DEVICE}).type == "device.reconnected"


@pytest.mark.parametrize("document", [FAILED_2, FAILED_3])
def test_an_error_has_a_code_and_a_message_in_either_notation(document):
    data = read(document).data

    assert (data["error_code"], data["error_message"]) == ("DEVICE_OFFLINE", "The device did not answer")


def test_an_error_that_is_text_is_a_message():
    assert read({"actionId": "act-1", "error": "gone"}).data == {"action_id": "act-1", "error_message": "gone"}


def test_every_documented_field_is_readable():
    data = read({**COMPLETED_3, "eventId": "evt-1"}).data

    assert data == {
        "action_id": "act-1",
        "device_id": "dev-1",
        "device_type": "charger",
        "command": "start",
        "parameters": {"limit": 80},
        "result": {"success": True, "accepted": "yes"},
        "completed_at": "2025-09-10T12:00:00Z",
        "event_id": "evt-1",
    }


@pytest.mark.parametrize(
    "sign",
    [
        {"errorCode": "X"},
        {"error": {"code": "X"}},
        {"failedAt": "2025-09-10T12:00:00Z"},
        {"error": {}},
        {"result": {"success": False}},
        {"errorCode": "X", "completedAt": "2025-09-10T12:00:00Z", "result": {}},
    ],
)
def test_any_sign_of_failure_makes_it_failed(sign):
    reading = read({"actionId": "act-1", **sign})

    assert (reading.type, reading.known) == ("push.failed", True)


@pytest.mark.parametrize(
    "sign",
    [{}, {"error": None}, {"errorCode": None, "failedAt": None}, {"result": "ok"}, {"result": {"success": "no"}}],
)
def test_an_action_without_a_sign_of_failure_is_completed(sign):
    assert read({"actionId": "act-1", **sign}).type == "push.completed"


@pytest.mark.parametrize("word", ["device.connected", "device.disconnected", "device.reconnected"])
def test_a_device_event_is_of_its_device(word):
    reading = read({**DEVICE, "reconnectionUrl": "https://example.com/again"}, event_type=word)

    assert (reading.kind, reading.provider_id, reading.type, reading.known) == ("device", "dev-1", word, True)
    assert (reading.occurred_at, reading.mentions) == (NOON, None)
    assert reading.data["reconnection_url"] == "https://example.com/again"


def test_a_device_event_is_read_in_an_envelope():
    reading = read(enveloped("device.disconnected", DEVICE))

    assert (reading.kind, reading.provider_id, reading.type) == ("device", "dev-1", "device.disconnected")
    assert (reading.known, reading.occurred_at, reading.data["event_id"]) == (True, NOON, "evt-1")


def test_a_device_event_of_no_told_type_is_never_guessed():
    reading = read(DEVICE)

    assert (reading.kind, reading.provider_id, reading.type, reading.known) == ("device", "dev-1", "", False)
    assert reading.notes[0].kind == "unknown_type"


@pytest.mark.parametrize(
    ("document", "event_type"),
    [
        (COMPLETED_2, "push.failed"),
        (FAILED_2, "push.completed"),
        (FAILED_3, "push.completed"),
        ({"type": "push.failed", **COMPLETED_3}, None),
        ({"type": "push.completed", **FAILED_3}, None),
        ({"type": "push.completed", **COMPLETED_2}, "push.failed"),
        ({"type": "push.completed", "event": "push.failed", "actionId": "act-1"}, None),
        ({"type": "push.deferred", **COMPLETED_2}, "push.completed"),
        ({"type": "device.connected", **COMPLETED_2}, None),
        ({**COMPLETED_3, "errorCode": "X"}, None),
        ({**FAILED_2, "completedAt": "2025-09-10T12:00:00Z"}, None),
    ],
)
def test_contradictory_signals_are_kept_and_move_nothing(document, event_type):
    reading = read(document, event_type=event_type)

    assert (reading.kind, reading.provider_id, reading.known) == ("action", "act-1", False)
    assert [note.kind for note in reading.notes] == ["unknown_type"]
    assert reading.notes[0].detail.startswith("contradictory: ")


def test_a_failure_that_says_no_more_is_no_contradiction():
    assert read({"actionId": "act-1", "result": {"note": "x"}}, event_type="push.failed").known


def test_an_unknown_type_is_kept_with_its_action():
    reading = read({"type": "push.deferred", "actionId": "act-1", "deviceId": "dev-1", "timestamp": "soon"})

    assert (reading.kind, reading.provider_id, reading.type) == ("action", "act-1", "push.deferred")
    assert (reading.known, reading.occurred_at, reading.mentions) == (False, None, "dev-1")
    assert reading.notes == (Note("unknown_type", "no documented event has the type 'push.deferred'"),)


def test_a_body_without_a_type_and_an_action_is_told_what_it_lacks():
    assert read({"action_id": "a"}).notes == (Note("unknown_type", "actionId is missing, and no type is given"),)


def test_an_empty_type_is_no_missing_action():
    assert read({"type": "", "actionId": "a"}).notes == (Note("unknown_type", "no documented event has the type ''"),)


@pytest.mark.parametrize(
    "document", [{}, {"hello": 1}, {"type": "ping"}, {"actionId": None}, {"data": {}}, {"type": 5}]
)
def test_what_names_nothing_is_kept_without_a_stream(document):
    reading = read(document)

    assert (reading.provider_id, reading.known) == ("", False)


@pytest.mark.parametrize("bad", ["", "x" * 513, "a\0b", "\ud800"])
@pytest.mark.parametrize("name", ["actionId", "deviceId"])
@pytest.mark.parametrize("word", ["push.completed", "push.deferred"])
def test_an_id_that_is_none_is_unreadable(name, bad, word):
    assert isinstance(read({"type": word, "actionId": "act-1", name: bad}), Unreadable)


@pytest.mark.parametrize("word", ["push.completed", "push.failed", "device.connected"])
@pytest.mark.parametrize("value", [None, 5, ["a"]])
def test_a_type_requires_its_id(word, value):
    name = "deviceId" if word.startswith("device") else "actionId"

    assert isinstance(read({"type": word, "data": {"x": 1}, name: value if name == "deviceId" else None}), Unreadable)
    assert isinstance(read({"type": word}), Unreadable)


def test_an_action_id_of_another_type_is_unreadable():
    assert isinstance(read({"actionId": 5}), Unreadable)


def test_a_device_id_of_another_type_is_kept_as_sent():
    reading = read({"actionId": "act-1", "deviceId": 5})

    assert (reading.mentions, reading.data["device_id"]) == (None, 5)


@pytest.mark.parametrize(
    ("times", "instant"),
    [
        ({}, None),
        ({"completedAt": None}, None),
        ({"timestamp": "2025-09-10T12:00:00Z"}, NOON),
        ({"createdAt": "2025-09-10T12:00:00.5Z"}, NOON + 500_000),
        ({"completedAt": "2025-09-10T12:00:00Z", "createdAt": "2025-09-10T11:00:00Z"}, NOON),
        ({"timestamp": 1757505600}, NOON),
        ({"timestamp": 1757505600000}, NOON),
    ],
)
def test_the_time_is_that_of_the_end_else_any(times, instant):
    assert read({"actionId": "act-1", **times}).occurred_at == instant


def test_an_envelope_lends_its_time():
    assert read(enveloped("push.completed", {"actionId": "act-1"})).occurred_at == NOON + 3_600_000_000


@pytest.mark.parametrize(
    "text",
    ["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2025-09-10T12:00:00+25:00", "soon", "", True, -1, [], {}, 1e300],
)
def test_a_time_that_is_none_is_unreadable(text):
    assert isinstance(read({"actionId": "act-1", "completedAt": text}), Unreadable)


def test_a_time_without_a_zone_is_read_as_utc_with_a_note():
    reading = read({"actionId": "act-1", "completedAt": "2025-09-10T12:00:00"})

    assert (reading.occurred_at, reading.known) == (NOON, True)
    assert reading.notes == (Note("clock_skew", "completedAt names no zone: read as UTC"),)


def test_an_unfolded_event_keeps_the_note_on_its_time_too():
    reading = read({"type": "push.deferred", "actionId": "act-1", "timestamp": "2025-09-10T12:00:00"})

    assert [note.kind for note in reading.notes] == ["unknown_type", "clock_skew"]


def test_the_message_id_is_the_key_whatever_the_body_and_the_headers_name():
    provider, first, other = amps(), json.dumps(COMPLETED_2).encode(), json.dumps(FAILED_2).encode()

    identities = {
        provider.identity([(name, "msg_1"), ("x", "y")], body, provider.read(body))
        for name in ("svix-id", "webhook-id")
        for body in (first, other)
    }

    assert identities == {b"webhook:msg_1"}


def test_without_a_message_id_or_a_reading_the_body_is_the_key():
    provider, body = amps(), json.dumps(COMPLETED_2).encode()
    headers = [("svix-id", "msg_1")]

    assert provider.identity([], body, provider.read(body)).startswith(b"body:")
    assert provider.identity(headers, b"{", provider.read(b"{")).startswith(b"body:")


def test_actions_and_devices_have_machines_of_their_own():
    assert [amps().machine_of(kind) for kind in ("action", "device")] == ["action", "device"]
    assert Amps.types >= {"push.completed", "push.failed"}
