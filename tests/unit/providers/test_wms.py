"""What a WMS body says."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from adapters.providers import wms as module
from adapters.providers.fields import read_with
from adapters.providers.wms import Wms
from core.event import Note, Reading, Unreadable
from tests.support.deliveries import wms

MEASUREMENT = "fbfbec8f-cb05-4288-99e5-5e219648399a"
NOON = 1_689_684_577_000_000


def body(**fields):
    document = {"timestamp": 1689684577, "sessionId": "session-1", "sequence": 3, "event": "WMS_LOADED", **fields}
    return json.dumps({name: value for name, value in document.items() if value != "absent"}).encode()


def read(**fields):
    return wms().read(body(**fields))


def said(event, payload):
    return read(event=event, payload=payload).data


def test_the_documented_body_is_read():
    sent = b"""{
        "timestamp": 1689684577, "sessionId": "visit-1", "sequence": 0, "event": "MEASUREMENT_CREATED",
        "severity": "INFO", "payload": {"measurementId": "f0c8ca8d-111d-4dcf-a69d-46ed39a2db06"}
    }"""

    reading = wms().read(sent)

    measurement = "f0c8ca8d-111d-4dcf-a69d-46ed39a2db06"
    data = {"measurement_id": measurement, "severity": "INFO", "payload": {"measurementId": measurement}}
    assert reading == Reading("session", "visit-1", "MEASUREMENT_CREATED", 0, NOON, data)


def test_the_printed_example_with_its_trailing_comma_is_unreadable():
    sent = b'{"timestamp": 1689684577, "sessionId": "visit-1", "sequence": 0, "event": "WMS_LOADED", "payload": {},}'

    assert isinstance(wms().read(sent), Unreadable)


@pytest.mark.parametrize("event", sorted(Wms.types))
def test_all_twenty_one_events_are_known(event):
    reading = read(event=event, payload={"measurementId": MEASUREMENT})

    assert (reading.type, reading.known, reading.notes) == (event, True, ())
    assert reading.data["measurement_id"] == MEASUREMENT


def test_there_are_twenty_one_events():
    assert len(Wms.types) == 21


@pytest.mark.parametrize("payload", ["absent", None, {}])
def test_an_event_without_a_payload_says_no_more(payload):
    assert said("WMS_LOADED", payload) == {}


def test_intermediate_results_have_a_signal_and_a_number_of_their_own():
    data = said("INTERMEDIATE_RESULTS", {"measurementId": MEASUREMENT, "snr": 100, "sequence": 1})

    assert (data["measurement_id"], data["snr"], data["result_sequence"]) == (MEASUREMENT, 100.0, 1)
    assert type(data["snr"]) is float


@pytest.mark.parametrize("snr", [-100, -90.5, 0, 100.25])
def test_any_signal_is_taken(snr):
    assert said("INTERMEDIATE_RESULTS", {"measurementId": MEASUREMENT, "snr": snr})["snr"] == snr


def test_intermediate_results_without_a_signal_are_read():
    assert "snr" not in said("INTERMEDIATE_RESULTS", {"measurementId": MEASUREMENT})


@pytest.mark.parametrize(("sent", "visible"), [("VISIBLE", "VISIBLE"), ("hidden", "HIDDEN"), ("Visible", "VISIBLE")])
@pytest.mark.parametrize("name", ["state", "visibility"])
def test_visibility_is_read_in_any_case(name, sent, visible):
    assert said("PAGE_VISIBILITY_CHANGE", {name: sent})["visible"] == visible


def test_an_unknown_visibility_is_kept_in_the_payload():
    data = said("PAGE_VISIBILITY_CHANGE", {"state": "BLINKING"})

    assert data == {"payload": {"state": "BLINKING"}}


@pytest.mark.parametrize("event", ["LOW_SNR", "GENERAL_ERROR"])
def test_details_are_read(event):
    assert said(event, {"details": "CAMERA_START_ERROR"})["details"] == "CAMERA_START_ERROR"


@pytest.mark.parametrize("name", ["code", "constraint", "errorCode", "error"])
@pytest.mark.parametrize("code", ["FACE_TOO_FAR", 503])
def test_a_code_is_found_under_any_of_its_names(name, code):
    assert said("API_ERROR", {name: code})["code"] == code


def test_the_first_of_several_codes_is_taken():
    assert said("API_ERROR", {"error": "last", "code": None, "constraint": "first"})["code"] == "first"


@pytest.mark.parametrize("payload", [["a"], "text", 5, {"snr": "high", "details": 1, "sequence": "1", "error": {}}])
def test_what_is_of_another_type_is_kept_as_sent(payload):
    assert said("API_ERROR", payload) == {"payload": payload}


@pytest.mark.parametrize("severity", ["INFO", "FATAL", 5])
def test_severity_is_optional_and_kept_as_sent(severity):
    assert read(severity=severity).data["severity"] == severity


@pytest.mark.parametrize("sequence", [0, 7, 2**63 - 1])
def test_a_sequence_is_an_integer_from_zero(sequence):
    assert read(sequence=sequence).sequence == sequence


@pytest.mark.parametrize("sequence", [True, False, "3", 3.0, 3.5, -1, None, "absent", [3], 2**63])
def test_another_sequence_is_unreadable(sequence):
    assert isinstance(read(sequence=sequence), Unreadable)


@pytest.mark.parametrize(
    ("timestamp", "instant"),
    [
        (1689684577, NOON),
        (1689684577.5, NOON + 500_000),
        (1689684577500, NOON + 500_000),
        (0, 0),
    ],
)
def test_a_timestamp_is_seconds_fractions_or_milliseconds(timestamp, instant):
    assert read(timestamp=timestamp).occurred_at == instant


@pytest.mark.parametrize(
    "timestamp", ["1689684577", "2023-07-18T12:49:37Z", True, None, "absent", -1, 10**15, [], 1e300]
)
def test_another_timestamp_is_unreadable(timestamp):
    assert isinstance(read(timestamp=timestamp), Unreadable)


@pytest.mark.parametrize("session", ["", None, "absent", 5, "x" * 513, "a\0b", "\ud800", ["a"]])
def test_a_session_that_is_no_id_is_unreadable(session):
    assert isinstance(read(sessionId=session), Unreadable)


@pytest.mark.parametrize("session", ["x" * 512, "..", "a/b", "%2F", "😀", "a\u202eb", "cafe\u0301", "café"])
def test_a_session_keeps_its_id_exactly(session):
    assert read(sessionId=session).provider_id == session


@pytest.mark.parametrize("field", ["sessionId", "event", "sequence", "timestamp"])
def test_a_field_that_is_not_there_is_told_as_missing(field):
    assert read(**{field: "absent"}) == Unreadable(f"{field} is missing")


@pytest.mark.parametrize("measurement", ["", 5, "x" * 513, "a\0b", "\udfff", {}])
def test_a_measurement_that_is_no_id_is_unreadable(measurement):
    assert isinstance(read(event="PAGE_UNLOADED", payload={"measurementId": measurement}), Unreadable)


@pytest.mark.parametrize("event", ["MEASUREMENT_CREATED", "INTERMEDIATE_RESULTS", "SCAN_COMPLETED", "RESULTS_RECEIVED"])
@pytest.mark.parametrize("payload", [None, {}, {"measurementId": None}, {"snr": 1}, "text"])
def test_what_tells_of_a_measurement_needs_its_id(event, payload):
    assert read(event=event, payload=payload) == Unreadable("payload has no measurementId")


@pytest.mark.parametrize("event", ["LOW_SNR", "GENERAL_ERROR", "API_ERROR", "PAGE_UNLOADED", "MEASUREMENT_CANCELED"])
def test_what_may_come_before_a_measurement_needs_none(event):
    assert read(event=event, payload={"measurementId": None}).known


@pytest.mark.parametrize("event", [None, "absent", 5, "x" * 513])
def test_an_event_without_a_type_is_unreadable(event):
    assert isinstance(read(event=event), Unreadable)


@pytest.mark.parametrize("event", ["MEASUREMENT_PAUSED", "wms_loaded", ""])
def test_an_unknown_event_is_kept_with_a_note_and_moves_nothing(event):
    reading = read(event=event, payload={"level": 3})

    assert (reading.known, reading.type, reading.sequence) == (False, event, 3)
    assert reading.notes == (Note("unknown_type", f"no documented event has the type {event!r}"),)
    assert reading.data == {"payload": {"level": 3}}


def test_unknown_fields_stand_in_nobodys_way():
    assert read(version=2, extra={"a": [1]}) == read()


def test_nul_and_surrogates_outside_ids_are_written_out():
    sent = body(event="ODD\0", severity="\ud800", payload={"details": "a\0b", "a\0": ["\udfff"]})

    reading = wms().read(sent)

    details = {"details": "a\\u0000b", "a\\u0000": ["\\udfff"]}
    assert reading.type == "ODD\\u0000"
    assert reading.data == {"payload": details, "details": "a\\u0000b", "severity": "\\ud800"}


def test_escapes_that_stand_for_letters_are_letters():
    reading = wms().read(body(sessionId="café 😀", severity="é"))

    assert (reading.provider_id, reading.data["severity"]) == ("café 😀", "é")


def identity(sent, headers=()):
    return wms().identity(list(headers), sent, wms().read(sent))


def test_the_same_bytes_are_the_same_event():
    assert identity(body()) == identity(body(), [("x-request-id", "2")])


def test_another_session_number_or_body_is_another_event():
    others = [body(sessionId="session-2"), body(sequence=4), body() + b" ", body(payload={"a": 1})]

    assert len({identity(other) for other in [body(), *others]}) == 5


def test_what_cannot_be_read_is_identified_by_its_body():
    assert identity(b"{") == identity(b"{")
    assert identity(b"{") != identity(b"[")


def test_a_session_is_folded_as_a_sequence_of_measurements():
    assert wms().machine_of("session") == "measurement"
    assert wms().signed


WRITTEN = {
    "timestamp": ["1689684577", "1689684577.5", "1689684577.0", "1689684577500", "-1", "-0", "1e9", "true", '"1"'],
    "sessionId": ['"session-1"', '""', f'"{"x" * 512}"', f'"{"😀" * 513}"', '"a\\u0000b"', '"\\u0061"', "5", "null"],
    "sequence": ["3", "0", "-0", "-1", "3.0", "3e0", "true", '"3"', "null", str(2**63 - 1), str(2**63), str(2**64)],
    "event": ['"WMS_LOADED"', '"SCAN_COMPLETED"', '"PAUSED"', '"é"', '""', f'"{"x" * 513}"', '"\\ud800"', "null"],
    "severity": ['"INFO"', '""', "0", "false", "null", "{}", "NaN", "1e400"],
    "payload": [
        *("{}", "null", "[]", '""', '"text"', "0", '{"measurementId":"m"}', '{"measurementId":""}', '{"error":1.0}'),
        *('{"measurementId":"m","snr":9.25,"sequence":1}', '{"snr":1,"snr":1}', '{"details":"a","code":null}'),
        *('{"state":"hidden","visibility":"VISIBLE"}', '{"a":18446744073709551615}', f"{'[' * 64}{']' * 64}"),
    ],
}
"""Values as they are written, of each field in the documented order; the first of each is as documented."""


@st.composite
def nearly_as_documented(draw):
    """A body without spaces, most of it as documented; one field may stand elsewhere, or there may be another one."""
    fields = [f'"{name}":{draw(st.just(values[0]) | st.sampled_from(values))}' for name, values in WRITTEN.items()]
    fields = fields[: draw(st.sampled_from([6, 6, 6, 5, 4, 3]))]
    more = draw(st.sampled_from(['"extra":1', '"sequence":3', '"payload":{}', *fields[:1]]))
    where = draw(st.sampled_from([None, None, None, 0, 3, len(fields)]))
    fields[where or 0 : where or 0] = [] if where is None else [more]
    return f"{{{','.join(fields)}}}".encode()


@given(nearly_as_documented())
@example(b'{"timestamp":0,"sessionId":"s","sequence":0,"event":"WMS_LOADED","severity":"INFO","payload":{}}')
def test_a_body_as_documented_means_what_a_careful_look_says(sent):
    assert repr(wms().read(sent)) == repr(read_with(module._read, sent))  # repr: 1 is not 1.0


@pytest.mark.parametrize("fields", [6, 5, 4])
@pytest.mark.parametrize("session", ["session-1", "😀"])
def test_a_body_as_documented_needs_no_careful_look(fields, session, monkeypatch):
    document = {"timestamp": 1689684577, "sessionId": session, "sequence": 0, "event": "WMS_LOADED", "severity": "INFO"}
    named = list((document | {"payload": {"measurementId": MEASUREMENT, "snr": 9.25}}).items())[:fields]
    sent = json.dumps(dict(named), separators=(",", ":"), ensure_ascii=False).encode()
    monkeypatch.setattr(module, "read_with", None)

    assert isinstance(wms().read(sent), Reading)
