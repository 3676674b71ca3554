"""What AugmentOS and MentraOS bodies say, of every year."""

import json

import pytest

from adapters.providers.port import Verified
from core.event import Note, Reading, Unreadable
from tests.support.deliveries import provider

NOON = 1_680_352_245_000_000
"""2023-04-01T12:30:45Z."""

URL = "wss://example.com/app-ws/session-1"
BASE = {"sessionId": "session-1", "userId": "user-1", "timestamp": "2023-04-01T12:30:45Z"}
STARTED = {"type": "session_request", **BASE}
STOPPED = {"type": "stop_request", **BASE, "reason": "user_disabled"}
RECOVERED = {"type": "session_recovery", **BASE, "augmentOSWebsocketUrl": URL}
REGISTERED = {
    "type": "server_registration",
    "sessionId": "registration-1",
    "userId": "system",
    "timestamp": "2023-04-01T12:30:45Z",
    "registrationId": "reg-1",
    "packageName": "com.example.captions",
    "serverUrls": ["https://example.com/webhook"],
}
HEARTBEAT = {
    **BASE,
    "type": "server_heartbeat",
    "sessionId": "heartbeat-1",
    "userId": "system",
    "registrationId": "reg-1",
}
OURS = {"session_id": "session-1", "user_id": "user-1"}


@pytest.fixture(params=["augmentos", "mentraos"])
def read(request):
    """Reads a document as either provider would."""
    return lambda document: provider(request.param).read(json.dumps(document).encode())


@pytest.mark.parametrize(
    ("urls", "data"),
    [
        ({}, {}),
        ({"augmentOSWebsocketUrl": URL}, {"augmentos_websocket_url": URL}),
        ({"mentraOSWebsocketUrl": URL}, {"mentraos_websocket_url": URL}),
        (
            {"websocketUrl": URL, "mentraOSWebsocketUrl": URL, "augmentOSWebsocketUrl": URL},
            {"websocket_url": URL, "mentraos_websocket_url": URL, "augmentos_websocket_url": URL},
        ),
        ({"websocketUrl": None}, {}),
        ({"websocketUrl": 5}, {"websocket_url": 5}),
    ],
)
def test_a_session_request_of_any_year_is_read(read, urls, data):
    assert read({**STARTED, **urls}) == Reading("session", "session-1", "session_request", None, NOON, {**OURS, **data})


@pytest.mark.parametrize("reason", ["user_disabled", "system_stop", "error", "gone for lunch", ""])
def test_a_stop_request_has_any_reason(read, reason):
    reading = read({**STOPPED, "reason": reason})

    assert reading == Reading("session", "session-1", "stop_request", None, NOON, {**OURS, "reason": reason})


@pytest.mark.parametrize("name", ["websocketUrl", "mentraOSWebsocketUrl", "augmentOSWebsocketUrl"])
def test_a_session_recovery_has_a_url_of_any_name(read, name):
    reading = read({"type": "session_recovery", **BASE, name: URL})

    assert (reading.kind, reading.provider_id, reading.type, reading.known) == (
        "session",
        "session-1",
        "session_recovery",
        True,
    )
    assert URL in reading.data.values()


def test_a_server_registration_is_of_its_registration(read):
    data = {
        "session_id": "registration-1",
        "user_id": "system",
        "registration_id": "reg-1",
        "package_name": "com.example.captions",
        "server_urls": ["https://example.com/webhook"],
    }

    assert read(REGISTERED) == Reading("registration", "reg-1", "server_registration", None, NOON, data)


def test_a_heartbeat_is_of_its_registration(read):
    data = {"session_id": "heartbeat-1", "user_id": "system", "registration_id": "reg-1"}

    assert read(HEARTBEAT) == Reading("registration", "reg-1", "server_heartbeat", None, NOON, data)


@pytest.mark.parametrize("document", [STARTED, STOPPED, RECOVERED, REGISTERED, HEARTBEAT])
def test_a_field_that_the_type_requires_is_there_and_of_its_type(read, document):
    optional = {"type"}

    for name in document.keys() - optional:
        missing = {other: value for other, value in document.items() if other != name}
        for broken in (missing, {**document, name: None}, {**document, name: 5}, {**document, name: {}}):
            assert isinstance(read(broken), Unreadable), (name, broken)


@pytest.mark.parametrize("name", ["sessionId", "userId"])
@pytest.mark.parametrize("bad", ["", "x" * 513, "a\0b", "\ud800"])
@pytest.mark.parametrize("word", ["session_request", "session_paused"])
def test_an_id_that_is_none_is_unreadable(read, name, bad, word):
    assert isinstance(read({**STARTED, "type": word, name: bad}), Unreadable)


@pytest.mark.parametrize("urls", ["https://example.com", [5], {}, None])
def test_server_urls_are_a_list_of_strings(read, urls):
    assert isinstance(read({**REGISTERED, "serverUrls": urls}), Unreadable)


def test_an_id_with_an_address_and_hyphens_is_kept_whole(read):
    session = "ann-marie@example.com-com.example.live-captions"

    assert read({**STARTED, "sessionId": session}).provider_id == session


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2023-04-01T12:30:45.678Z", NOON + 678_000),
        ("2023-04-01T14:30:45+02:00", NOON),
        ("2023-04-01T12:30:44.999999Z", NOON - 1),
        ("2023-04-01T12:30:60Z", NOON + 15_000_000),
    ],
)
def test_a_timestamp_is_iso_text(read, text, instant):
    assert read({**STARTED, "timestamp": text}).occurred_at == instant


def test_a_timestamp_without_a_zone_is_read_as_utc_with_a_note(read):
    reading = read({**STARTED, "timestamp": "2023-04-01T12:30:45"})

    assert reading.occurred_at == NOON
    assert reading.notes == (Note("clock_skew", "timestamp names no zone: read as UTC"),)


@pytest.mark.parametrize(
    "timestamp",
    ["", "soon", "0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2023-04-01T12:30:45+25:00", 1680352245, True],
)
def test_another_timestamp_is_unreadable(read, timestamp):
    assert isinstance(read({**STARTED, "timestamp": timestamp}), Unreadable)


@pytest.mark.parametrize("word", [None, 5, "x" * 513])
def test_a_body_without_a_type_is_unreadable(read, word):
    assert isinstance(read({**STARTED, "type": word}), Unreadable)


def test_an_unknown_type_is_kept_with_its_session(read):
    reading = read({"type": "session_paused", **BASE, "reason": "lunch"})

    assert reading == Reading(
        "session",
        "session-1",
        "session_paused",
        None,
        NOON,
        {**OURS, "reason": "lunch"},
        known=False,
        notes=(Note("unknown_type", "no documented event has the type 'session_paused'"),),
    )


@pytest.mark.parametrize("fields", [{}, {"sessionId": 5, "timestamp": "soon"}, {"sessionId": None, "userId": []}])
def test_an_unknown_type_needs_neither_ids_nor_a_time(read, fields):
    reading = read({"type": "weather", **fields})

    assert (reading.provider_id, reading.occurred_at, reading.known, reading.data) == ("", None, False, {})


def test_nul_and_surrogates_outside_ids_are_written_out(read):
    assert read({**STOPPED, "reason": "a\0\ud800"}).data["reason"] == "a\\u0000\\ud800"


@pytest.mark.parametrize("name", ["augmentos", "mentraos"])
def test_nothing_is_signed_and_everything_is_taken(name):
    unsigned = provider(name)

    assert not unsigned.signed
    assert unsigned.verify([("x-anything", "at all")], b"{}", None) == Verified(None)
    assert [unsigned.machine_of(kind) for kind in ("session", "registration")] == ["session", "registration"]


def test_a_retry_is_the_same_bytes_and_the_same_event():
    clouds, body = provider("mentraos"), json.dumps(STARTED).encode()

    first = clouds.identity([("x-try", "1")], body, clouds.read(body))

    assert clouds.identity([("x-try", "2")], body, clouds.read(body)) == first
    assert clouds.identity([], body + b" ", clouds.read(body)) != first


def test_an_unsigned_provider_has_no_key():
    with pytest.raises(ValueError, match="signs nothing"):
        provider("augmentos").key_of("secret")


@pytest.mark.parametrize(
    "field", ["type", "sessionId", "userId", "timestamp", "registrationId", "packageName", "serverUrls"]
)
def test_a_field_that_is_not_there_is_told_as_missing(read, field):
    without = {name: value for name, value in REGISTERED.items() if name != field}

    assert read(without) == Unreadable(f"{field} is missing")
