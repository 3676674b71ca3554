"""Actions, the devices that they are for, and what apps tell of them."""

import json
from typing import Any

import pytest

from adapters.sql import Unavailable
from tests.support.house import NOON, SECOND, House, pushed

TOLD = {"source": "energy", "action_id": "a-1", "state": "acknowledged", "occurred_at": "2023-11-14T21:59:00Z"}


def tell(house: House, key: str = "k-1", **changes: Any) -> Any:
    return house.client.post("/v1/actions", json=TOLD | changes, headers={"Idempotency-Key": key})


def test_an_action_is_told_with_its_device_command_and_result(house: House):
    house.send("energy", pushed("a-1"), key="m-1")

    (action,) = house.get("/v1/actions")["data"]

    assert (action["action_id"], action["state"]) == ("a-1", "completed")
    assert (action["device_id"], action["device_type"], action["command"]) == ("car-1", "vehicle", "charge.start")
    assert (action["parameters"], action["result"]) == ({"limit": 80}, {"ok": True})
    assert (action["error_code"], action["error_message"]) == (None, None)
    assert action["device"] == house.ids.of("device", "energy", "car-1")
    assert house.get(f"/v1/actions/{action['id']}") == action


def test_a_failed_one_is_told_with_its_error_in_both_generations(house: House):
    newer = {key: value for key, value in pushed("newer").items() if key != "completedAt"}
    error = {"errorCode": "UNREACHABLE", "errorMessage": "no answer", "failedAt": "2023-11-14T22:00:00Z"}
    house.send("energy", newer | error, key="m-1")
    house.send(
        "energy",
        {
            "actionId": "older",
            "deviceId": "car-1",
            "actionType": "charge.stop",
            "parameters": {},
            "error": {"code": "BUSY", "message": "try later"},
            "failedAt": "2023-11-14T22:00:00Z",
        },
        key="m-2",
    )

    second, first = house.get("/v1/actions", state="failed")["data"]

    assert (first["error_code"], first["error_message"]) == ("UNREACHABLE", "no answer")
    assert (second["error_code"], second["error_message"]) == ("BUSY", "try later")
    assert (second["command"], second["action_type"]) == ("charge.stop", "charge.stop")


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("2023-11-14T23:00:00+01:00", "2023-11-14T22:00:00.000000Z"),
        ("2023-11-14T22:00:00.5", "2023-11-14T22:00:00.500000Z"),
        (1_699_999_200, "2023-11-14T22:00:00.000000Z"),
        (1_699_999_200_000, "2023-11-14T22:00:00.000000Z"),
    ],
)
def test_when_an_action_ended_is_told_as_every_other_instant(house: House, sent: Any, told: str):
    house.send("energy", pushed("a-1", completedAt=sent), key="m-1")
    house.send("energy", pushed("a-2", completedAt=None, failedAt=sent, errorCode="BUSY"), key="m-2")

    failed, completed = house.get("/v1/actions")["data"]

    assert (completed["completed_at"], completed["failed_at"]) == (told, None)
    assert (failed["completed_at"], failed["failed_at"]) == (None, told)
    assert house.get("/v1/events/1")["data"]["completed_at"] == sent


def test_the_filters_find_an_action(house: House):
    house.send("energy", pushed("a-1", "car-1"), key="m-1")
    house.send("energy", pushed("a-2", "car-2"), key="m-2")

    def found(path: str = "/v1/actions", **filters: Any) -> list[str]:
        return [one["action_id"] for one in house.get(path, **filters)["data"]]

    assert found() == ["a-2", "a-1"]
    assert found(action_id="a-1") == ["a-1"]
    assert found(device_id="car-2") == ["a-2"]
    assert found(device_id="car-2", action_id="a-1") == []
    assert found(device_id="car-2", source="clinic") == []
    device = house.ids.of("device", "energy", "car-2")
    assert found(f"/v1/devices/{device}/actions") == ["a-2"]
    assert found(f"/v1/devices/{device}/actions", state="failed") == []


def test_a_device_that_was_only_mentioned_is_unknown_until_it_speaks(house: House):
    house.send("energy", pushed("a-1", "car-1"), key="m-1")
    (mentioned,) = house.get("/v1/devices")["data"]

    gone = {"type": "device.disconnected", "deviceId": "car-1", "deviceType": "vehicle"}
    more = {"timestamp": "2023-11-14T22:05:00Z", "reconnectionUrl": "https://app.example.com/again"}
    house.send("energy", gone | more, key="m-2")

    (device,) = house.get("/v1/devices", device_id="car-1")["data"]
    assert (mentioned["state"], mentioned["events"]) == ("unknown", 0)
    assert (device["id"], device["state"], device["device_type"]) == (mentioned["id"], "disconnected", "vehicle")
    assert device["reconnection_url"] == "https://app.example.com/again"
    assert house.get(f"/v1/devices/{device['id']}") == device


def test_the_same_key_with_another_body_is_a_conflict_that_the_action_tells(house: House):
    house.send("energy", pushed("a-1"), key="m-1")

    verdict = house.send("energy", pushed("a-1", command="charge.stop"), key="m-1")

    (action,) = house.get("/v1/actions", anomaly="conflict")["data"]
    assert verdict == ("conflict", 1)
    assert [(anomaly["kind"], anomaly["position"]) for anomaly in action["anomalies"]] == [("conflict", 1)]
    assert action["command"] == "charge.start"


def test_an_app_tells_of_an_action_and_reads_its_own_write(house: House):
    answer = tell(house)

    assert (answer.status_code, answer.json["status"]) == (200, "success")
    assert (answer.headers["Hookfold-Verdict"], answer.headers["Hookfold-Position"]) == ("new", "1")
    action = house.get(f"/v1/actions/{answer.json['id']}", min_position=1)
    assert (action["action_id"], action["state"]) == ("a-1", "acknowledged")
    assert action["derived"]["overdue"] is True
    (event,) = house.get("/v1/events")["data"]
    assert (event["type"], event["action_id"], event["verified_by"]) == ("acknowledged", "a-1", None)
    assert house.get("/v1/events/1")["data"]["told"] is True


def test_told_again_with_the_same_key_it_is_a_duplicate_or_a_conflict(house: House):
    tell(house)

    again, other = tell(house), tell(house, state="scheduled")

    assert (again.status_code, again.headers["Hookfold-Verdict"], again.headers["Hookfold-Position"]) == (
        200,
        "duplicate",
        "1",
    )
    assert (other.status_code, other.headers["Hookfold-Verdict"]) == (200, "conflict")


@pytest.mark.parametrize(
    ("parameter", "changes"),
    [
        *[("source", {"source": value}) for value in ("nobody", "clinic", "", 5, None)],
        *[("action_id", {"action_id": value}) for value in ("", "a\0b", "\ud800", "x" * 513, 7, None, ["a"])],
        *[("state", {"state": value}) for value in ("completed", "failed", "", "acknowledged\n", True)],
        *[("occurred_at", {"occurred_at": value}) for value in ("now", "2023-11-14T22:00:00", 1689684577, None)],
        ("extra", {"extra": 1}),
    ],
)
def test_a_field_that_is_wrong_is_named(one_house: House, parameter, changes):
    answer = tell(one_house, **changes)

    assert (answer.status_code, answer.json["parameter"]) == (400, parameter)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"occurred_at": "soon"}, "occurred_at: expected a time with its zone, such as 2026-11-21T20:48:00Z"),
        ({"source": 5}, "source: expected text of 1 to 512 characters"),
    ],
)
def test_a_wrong_field_is_told_in_words_that_fit_a_body(one_house: House, changes, detail):
    assert tell(one_house, **changes).json["detail"] == detail


@pytest.mark.parametrize("name", sorted(TOLD))
def test_a_field_that_is_missing_is_named(one_house: House, name):
    document = {key: value for key, value in TOLD.items() if key != name}

    answer = one_house.client.post("/v1/actions", json=document, headers={"Idempotency-Key": "k"})

    assert (answer.status_code, answer.json["parameter"]) == (400, name)
    assert answer.json["detail"] == f"{name}: missing: it is required"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "k" * 257}])
def test_the_idempotency_key_is_required_and_bounded(one_house: House, headers):
    answer = one_house.client.post("/v1/actions", json=TOLD, headers=headers)

    assert (answer.status_code, answer.json["parameter"]) == (400, "Idempotency-Key")


@pytest.mark.parametrize("keys", [["k-1", "k-2"], ["k-1", "k-1"], ["k-1,k-2"], [","]])
def test_an_idempotency_key_that_may_be_two_is_refused(one_house: House, keys):
    answer = one_house.client.post("/v1/actions", json=TOLD, headers=[("Idempotency-Key", key) for key in keys])

    assert (answer.status_code, answer.json["parameter"]) == (400, "Idempotency-Key")
    assert "without a comma" in answer.json["detail"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b"{", b"{}{}", b'\xff{"a": 1}', b"[" * 10_000, b"\xef\xbb\xbf{}", b"NaN"),
        json.dumps(TOLD).encode("utf-16"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused(one_house: House, body):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = one_house.client.post("/v1/actions", data=body, headers=headers)

    assert (answer.status_code, answer.content_type) == (400, "application/problem+json")


def test_a_field_given_twice_is_named(one_house: House):
    body = json.dumps(TOLD)[:-1] + ', "state": "cancelled"}'
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    answer = one_house.client.post("/v1/actions", data=body, headers=headers)

    assert (answer.status_code, answer.json["parameter"]) == (400, "state")


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data", "application/xml"])
def test_another_content_type_is_refused(one_house: House, kind):
    headers = {"Idempotency-Key": "k", "Content-Type": kind}

    answer = one_house.client.post("/v1/actions", data=json.dumps(TOLD), headers=headers)

    assert answer.status_code == 415


def test_an_encoded_body_is_refused_and_never_inflated(one_house: House):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert one_house.client.post("/v1/actions", data=b"\x1f\x8b", headers=headers).status_code == 415


def test_a_body_too_large_is_refused(one_house: House):
    headers = {"Idempotency-Key": "k", "Content-Type": "application/json"}

    assert one_house.client.post("/v1/actions", data=b" " * 20_000, headers=headers).status_code == 413


def test_while_the_log_cannot_commit_nothing_is_acknowledged(sqlite_url):
    def away(**_: Any) -> tuple[str, int]:
        raise Unavailable("gone")

    house = House(sqlite_url, tell=away)

    answer = tell(house)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    house.close()


def test_an_action_whose_device_is_learnt_later_is_found_by_it(house: House):
    house.tell(source="energy", key="k", action_id="a-1", state="acknowledged", occurred_at=NOON - 3600 * SECOND)
    house.send("energy", pushed("a-1"), key="m-1")

    assert [one["action_id"] for one in house.get("/v1/actions", device_id="car-1")["data"]] == ["a-1"]


def test_everything_that_is_missing_is_named_at_once(one_house: House):
    answer = one_house.client.post("/v1/actions")

    assert answer.status_code == 400
    expected = "Idempotency-Key, source, action_id, state, occurred_at: missing: all of them are required"
    assert answer.json["detail"] == expected
