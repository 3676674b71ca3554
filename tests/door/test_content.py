"""What authentic deliveries may hold: all of it is on record, nothing is guessed, and the bytes stay as they came."""

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.logs import wms
from tests.support.service import Answer, Service

AT = "2026-11-01T10:00:00Z"
NOT_JSON = [
    b'{"a": 1,}',
    b'{"a": 1 /* one */}',
    b'{"a": 1} {"a": 2}',
    b'{"a": 1} x',
    b'{"a": "\xff\xfe"}',
    '{"a": 1}'.encode("utf-16"),
    '{"a": 1}'.encode("utf-32"),
    b'\xef\xbb\xbf{"a": 1}',
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"[1]",
    b'"text"',
    b"null",
    b"1",
    b" ",
]
NOT_STRICT = [
    '"sequence": 1, "sequence": 2',
    '"sequence": 1, "payload": {"a": 1, "a": 2}',
    '"sequence": 1, "payload": {"snr": NaN}',
    '"sequence": 1, "payload": {"snr": Infinity}',
    '"sequence": 1, "payload": {"snr": -Infinity}',
    '"sequence": 1, "payload": {"snr": 1e400}',
    '"sequence": 1, "payload": {"snr": 18446744073709551616}',
    '"sequence": 99999999999999999999',
    '"sequence": true',
    '"sequence": "3"',
    '"sequence": 3.0',
    '"sequence": -1',
    '"sequence": null',
    '"payload": {}',
]
BAD_STAMPS = ["null", '"1700000000"', "-1", "1e15", "253402300800000", "true", "[]", "{}"]
BAD_TIMES = ["0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "2026-11-01T10:00:00+25:00", "2026-02-30T10:00:00Z", ""]
ODD_TIMES = {
    "2026-11-01T10:00:00": "2026-11-01T10:00:00.000000Z",
    "2026-06-30T23:59:60Z": "2026-07-01T00:00:00.000000Z",
    "2026-11-01T19:00:00.123456789+09:00": "2026-11-01T10:00:00.123456Z",
}
IDS = [
    "..",
    "a/b",
    "%2F",
    "😀",
    "\u202eabc",
    "é",
    "e\u0301",
    "x" * 512,
    "<script>alert(1)</script>",
    "' OR 1=1 --",
    " ",
]


@pytest.mark.parametrize("body", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_no_json_object_is_recorded_raw_where_it_is_signed_and_refused_where_not(door: Service, body: bytes):
    signed = door.wms(body)
    unsigned = door.glasses(body)

    assert (signed.status, event(door, signed)["reading"]) == (200, "undecodable")
    assert raw(door, signed) == body
    assert unsigned.status == 400
    (rejection,) = door.get("/v1/rejections?limit=1")["data"]
    assert (rejection["source"], rejection["reason"], rejection["size"]) == ("captions", "undecodable", len(body))


def test_doubled_keys_and_numbers_beyond_all_bounds_are_never_guessed(door: Service, name: str):
    for fields in NOT_STRICT:
        body = f'{{"timestamp": 1700000000, "sessionId": "{name}", "event": "WMS_LOADED", {fields}}}'.encode()
        answer = door.wms(body)

        assert (answer.status, event(door, answer)["reading"]) == (200, "undecodable"), fields
        assert raw(door, answer) == body
    assert sessions(door, name) == []


def test_a_time_that_is_none_is_never_guessed(door: Service, name: str):
    for stamp in BAD_STAMPS:
        fields = f'"sessionId": "{name}", "event": "WMS_LOADED", "sequence": 0'
        answer = door.wms(f'{{"timestamp": {stamp}, {fields}}}'.encode())

        assert event(door, answer)["reading"] == "undecodable", stamp
    for number, at in enumerate(BAD_TIMES):
        answer = door.amps({"actionId": name, "deviceId": "car", "completedAt": at}, f"{name}-{number}")

        assert event(door, answer)["reading"] == "undecodable", at
        assert door.glasses(start(name, at)).status == 400


def test_odd_but_clear_times_are_normalised_on_both_databases(door: Service, name: str):
    for at, expected in ODD_TIMES.items():
        answer = door.glasses(start(name, at))

        assert event(door, answer)["occurred_at"] == expected
    millis = door.wms(wms(name, 0) | {"timestamp": 1_700_000_000_123})

    assert event(door, millis)["occurred_at"] == "2023-11-14T22:13:20.123000Z"


@pytest.mark.parametrize("field", ["sessionId", "event", "sequence", "timestamp"])
def test_a_required_field_that_is_missing_leaves_the_delivery_unfolded(door: Service, name: str, field: str):
    document = {key: value for key, value in wms(name, 0).items() if key != field}

    answer = door.wms(document)

    assert (answer.status, event(door, answer)["reading"]) == (200, "undecodable")


@pytest.mark.parametrize("bad", ["\0", "a\0b", "\ud800", "", "x" * 513, "y" * 10_240])
def test_an_id_that_no_column_takes_leaves_the_delivery_unfolded(door: Service, bad: str):
    body = json.dumps(wms(bad, 0)).encode()

    answer = door.wms(body)

    assert (answer.status, event(door, answer)["reading"]) == (200, "undecodable")
    assert raw(door, answer) == body


def test_nul_and_lone_surrogates_elsewhere_are_told_escaped_and_kept_as_they_came(door: Service, name: str):
    body = json.dumps(wms(name, 0, "LOW_SNR", details="a\0\ud800b")).encode()

    answer = door.wms(body)

    assert door.get(f"/v1/events/{position(answer)}")["data"]["details"] == "a\\u0000\\ud800b"
    assert raw(door, answer) == body


@pytest.mark.parametrize("odd", IDS)
def test_an_id_is_taken_as_it_is_and_found_again_by_it(door: Service, odd: str):
    answer = door.wms(wms(odd, 0))

    assert answer.status == 200
    (session,) = sessions(door, odd)
    assert door.get(f"/v1/sessions/{session['id']}")["session_id"] == odd


def test_unknown_types_fields_and_values_are_recorded(door: Service, name: str):
    unknown = door.wms(wms(name, 0, "FINGER_PRINTED"))
    more = door.wms(wms(name, 1) | {"new": {"nested": [1]}, "severity": "PURPLE"})
    of_glasses = door.glasses(start(name, AT) | {"type": "session_paused"})

    assert event(door, unknown)["reading"] == event(door, of_glasses)["reading"] == "unknown_type"
    assert event(door, more)["reading"] == "ok"


def test_fifty_copies_in_parallel_are_one_event_and_each_is_counted(door: Service, name: str):
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda _: door.wms(wms(name, 0)), range(50)))

    verdicts = [answer.headers["hookfold-verdict"] for answer in answers]
    (at,) = {position(answer) for answer in answers}
    assert {answer.status for answer in answers} == {200}
    assert sorted(verdicts) == ["duplicate"] * 49 + ["new"]
    assert len(door.get(f"/v1/events?session_id={name}")["data"]) == 1
    assert len(door.get(f"/v1/deliveries?position={at}&limit=100")["data"]) == 50


def test_one_key_with_two_bodies_is_a_conflict_and_the_first_one_counts(door: Service, name: str):
    done = {"actionId": name, "deviceId": "car", "completedAt": AT}
    failed = {"actionId": name, "deviceId": "car", "errorCode": "E1", "errorMessage": "no", "failedAt": AT}

    verdicts = [door.amps(body, name).headers["hookfold-verdict"] for body in (done, failed, done)]

    (action,) = door.get(f"/v1/actions?action_id={name}")["data"]
    at = door.get(f"/v1/events?action_id={name}")["data"][0]["position"]
    kept = door.get(f"/v1/deliveries?position={at}")["data"]
    assert verdicts == ["new", "conflict", "duplicate"]
    assert action["state"] == "completed"
    assert sorted(one["verdict"] for one in kept) == ["conflict", "duplicate", "new"]


def test_a_conflict_in_parallel_has_one_winner_which_is_the_state(door: Service, name: str):
    done = {"actionId": name, "deviceId": "car", "completedAt": AT}
    bodies = [done | {"result": {"try": number}} for number in range(20)]

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda body: door.amps(body, name), bodies))

    (action,) = door.get(f"/v1/actions?action_id={name}")["data"]
    verdicts = [answer.headers["hookfold-verdict"] for answer in answers]
    assert sorted(verdicts) == ["conflict"] * 19 + ["new"]
    assert action["result"] == bodies[verdicts.index("new")]["result"]


def test_any_order_of_arrival_ends_in_one_state(door: Service, name: str):
    history = [
        wms("", 0, "WMS_LOADED"),
        wms("", 1, "MEASUREMENT_STARTED"),
        wms("", 2, "MEASUREMENT_CREATED", measurementId=name),
        wms("", 3, "SCAN_COMPLETED", measurementId=name),
    ]

    ends = {folded(door, f"{name}-{number}", order) for number, order in enumerate(permutations(history))}

    assert len(ends) == 1


def test_a_hole_and_a_sequence_that_begins_again_are_told(door: Service, name: str):
    for number, event_type in [(0, "WMS_LOADED"), (3, "CAMERA_STARTED"), (0, "CONFIGURATION_LOADED")]:
        assert door.wms(wms(name, number, event_type)).status == 200

    (session,) = sessions(door, name)
    assert "gap" in {anomaly["kind"] for anomaly in session["anomalies"]}
    assert session["run"] == 2


def folded(door: Service, session: str, order: Sequence[dict[str, Any]]) -> str:
    """What the session came to after its events arrived in that order, without what depends on the arrival."""
    for document in order:
        assert door.wms(document | {"sessionId": session}).status == 200
    (found,) = sessions(door, session)
    told = {key: found[key] for key in ("state", "outcome", "regions", "run")}
    return json.dumps(told | {"holes": [one for one in found["anomalies"] if one["kind"] == "gap"]})


def start(session: str, at: str) -> dict[str, Any]:
    return {"type": "session_request", "sessionId": session, "userId": "ann@example.com", "timestamp": at}


def position(answer: Answer) -> int:
    return int(answer.headers["hookfold-position"])


def event(door: Service, answer: Answer) -> dict[str, Any]:
    found: dict[str, Any] = door.get(f"/v1/events/{position(answer)}")
    return found


def raw(door: Service, answer: Answer) -> bytes:
    return door.send("GET", f"/v1/events/{position(answer)}/body").body


def sessions(door: Service, session: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = door.get(f"/v1/sessions?source=clinic&session_id={quote(session, safe='')}")["data"]
    return found
