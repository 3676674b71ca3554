"""The feed, one event, its body."""

from typing import Any

import pytest

from tests.support.house import House, pushed, start, wms

FIELDS = {
    *("position", "source", "provider", "type", "sequence", "key", "occurred_at", "received_at", "recorded_at"),
    *("verified_by", "stream", "reading"),
}


def test_every_event_is_told_with_the_id_of_its_streams_kind(house: House):
    house.send("clinic", wms("scan", 0, "WMS_LOADED"))
    house.send("energy", pushed("a-1"), key="m-1")
    house.send(
        "energy", {"type": "device.connected", "deviceId": "car-1", "timestamp": "2023-11-14T22:00:00Z"}, key="m-2"
    )
    house.send("captions", {**start("system"), "type": "server_heartbeat", "registrationId": "r"})

    scan, action, device, registration = house.get("/v1/events")["data"]

    assert set(scan) == FIELDS | {"session_id"}
    assert (scan["session_id"], scan["sequence"], scan["verified_by"]) == ("scan", 0, "env:SECRET")
    assert (set(action), action["action_id"]) == (FIELDS | {"action_id"}, "a-1")
    assert (set(device), device["device_id"]) == (FIELDS | {"device_id"}, "car-1")
    assert (set(registration), registration["registration_id"]) == (FIELDS | {"registration_id"}, "r")
    assert len(scan["key"]) == 42


def test_the_feed_goes_on_behind_a_position(house: House):
    for number in range(5):
        house.send("clinic", wms("scan", number))

    assert [event["position"] for event in house.get("/v1/events", after=2, limit=2)["data"]] == [3, 4]
    assert [len(page) for page in house.walk("/v1/events", after=2, limit=2)] == [2, 1]
    assert house.get("/v1/events", after=5) == {"data": [], "next_cursor": None}
    assert house.get("/v1/events", after=2**63 - 1)["data"] == []


@pytest.mark.parametrize("after", ["-1", "x", "", "9223372036854775808", "1.5"])
def test_a_bad_position_to_follow_is_refused_by_name(one_house: House, after):
    assert one_house.problem("/v1/events", after=after)["parameter"] == "after"


def test_the_feed_is_filtered_by_source_and_by_the_providers_ids(house: House):
    house.send("clinic", wms("scan", 0))
    house.send("captions", start("ann@example.com"))
    house.send("older", start("ann@example.com"))
    house.send("energy", pushed("a-1"), key="m-1")
    ann = "ann@example.com-com.example.captions"

    def found(**filters: Any) -> list[int]:
        return [event["position"] for event in house.get("/v1/events", **filters)["data"]]

    assert found(source="clinic") == [1]
    assert found(session_id=ann) == [2, 3]
    assert found(session_id=ann, source="older") == [3]
    assert found(session_id=ann, after="2") == [3]
    assert found(action_id="a-1") == [4]
    assert found(action_id="a-1", session_id=ann) == []
    assert found(device_id="nothing") == found(registration_id="nothing") == []


def test_one_event_tells_what_its_body_says(house: House):
    house.send("clinic", wms("scan", 0, "LOW_SNR", details="LOW_SNR"))

    event = house.get("/v1/events/1")

    assert set(event) == FIELDS | {"session_id", "data", "notes", "erased"}
    assert event["data"]["details"] == "LOW_SNR"
    assert event["notes"] == []


def test_what_cannot_be_read_is_in_the_log_and_says_why(house: House):
    house.send("clinic", b'{"timestamp": 1,}')

    event = house.get("/v1/events/1")

    assert (event["reading"], event["type"], event["session_id"], event["stream"]) == ("undecodable", None, None, None)
    assert event["notes"]


def test_an_unknown_type_is_told_as_it_was_sent(house: House):
    house.send("clinic", wms("scan", 0, "<script>NEW_EVENT"))

    (event,) = house.get("/v1/events")["data"]

    assert (event["type"], event["reading"]) == ("<script>NEW_EVENT", "unknown_type")


@pytest.mark.parametrize("body", [b'{"a": "\xff"', b"<script>alert(1)</script>", b"\0\r\n", b"{}"])
def test_the_raw_body_is_a_download_byte_for_byte(house: House, body):
    house.send("clinic", body)

    answer = house.client.get("/v1/events/1/body")

    assert answer.data == body
    assert answer.content_type == "application/octet-stream"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="event-1.bin"'
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("position", ["0", "2", "-1", "x", "1.0", "9" * 19, "9" * 400, "٣", "%00"])
def test_a_position_that_holds_no_event_is_not_found(house: House, position):
    house.send("clinic", b"x")

    for path in ["", "/body"]:
        house.problem(f"/v1/events/{position}{path}", status=404)


@pytest.mark.parametrize("wait", ["0", "31", "-1", "1.5", "x", ""])
def test_whole_seconds_up_to_half_a_minute_are_waited(one_house: House, wait):
    assert one_house.problem("/v1/events", wait=wait)["parameter"] == "wait"


def test_no_other_list_waits(one_house: House):
    for path in ("/v1/sessions", "/v1/deliveries", "/v1/sessions/ses_1/events"):
        assert one_house.problem(path, wait=1)["parameter"] == "wait"


def test_a_cursor_does_not_carry_that_one_waits(house: House):
    for number in range(3):
        house.send("clinic", wms("scan", number))

    plain, waiting = (house.get("/v1/events", limit=2, **more) for more in ({}, {"wait": 5}))

    assert waiting == plain
    assert len(house.get("/v1/events", cursor=plain["next_cursor"], wait=5)["data"]) == 1
