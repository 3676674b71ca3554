"""Bodies of the wrong shape: kept, found, and told with what was meant."""

from typing import Any

import pytest
import structlog
from prometheus_client import CollectorRegistry

from adapters.http import Door
from adapters.sql import Unavailable
from tests.support.house import NOON, House, pushed, start, wms

ACTION = {"action_id": "a-1", "deviceType": "vehicle", "completedAt": "2023-11-14T22:00:00Z"}


def positions(house: House, **asked: Any) -> list[int]:
    return [event["position"] for event in house.get("/v1/events", **asked)["data"]]


def renamed(document: dict[str, Any], name: str, to: str) -> dict[str, Any]:
    return {to if field == name else field: value for field, value in document.items()}


def test_events_are_filtered_by_how_they_could_be_read(house: House):
    house.send("energy", ACTION, key="m-1")
    house.send("energy", pushed("a-2"), key="m-2")
    house.send("energy", b"{not json", key="m-3")
    house.send("clinic", wms("scan", 0, "WMS_PAUSED"))

    assert positions(house, reading="unknown_type") == [1, 4]
    assert positions(house, reading="unknown_type", source="energy") == [1]
    assert positions(house, reading="unknown_type", session_id="scan") == [4]
    assert positions(house, reading="undecodable", after=1) == [3]
    assert positions(house, reading="ok") == [2]
    assert [len(page) for page in house.walk("/v1/events", reading="unknown_type", limit=1)] == [1, 1]
    assert house.problem("/v1/events", reading="odd")["parameter"] == "reading"


def test_an_event_of_the_wrong_shape_tells_what_would_have_been_read(house: House):
    house.send("energy", ACTION, key="m-1")
    house.send("clinic", renamed(wms("scan", 0), "sessionId", "session_id"))

    unknown, undecodable = house.get("/v1/events/1")["notes"], house.get("/v1/events/2")["notes"]

    assert unknown[-1] == "rename `action_id` to `actionId`: it would then be read as push.completed"
    assert undecodable == [
        "sessionId is missing",
        "rename `session_id` to `sessionId`: it would then be read as WMS_LOADED",
    ]


def test_an_event_that_could_be_read_has_no_note(house: House):
    house.send("energy", {**pushed("a-1"), "Event_Id": "of a later generation"}, key="m-1")

    assert house.get("/v1/events/1")["notes"] == []


def through(house: House, door: Door, source: str, body: bytes) -> dict[str, str]:
    """The headers that an unsigned delivery is answered with."""
    item = door.receive(source, [], body)
    return dict(door.answer(item, house.log.append([item])[0]).headers)


def test_an_answer_tells_how_the_body_was_read(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)
    known, unknown = (house.entry("captions", start("ann") | more) for more in ({}, {"type": "session_paused"}))
    broken = house.entry("energy", b"{not json", key="m-1")

    told = [dict(door.answer(one, house.log.append([one])[0]).headers) for one in (known, unknown, unknown, broken)]

    assert [one["hookfold-reading"] for one in told] == ["ok", "unknown_type", "unknown_type", "undecodable"]
    assert told[2]["hookfold-verdict"] == "duplicate"


def test_the_kept_refusal_of_an_unsigned_body_tells_what_was_meant(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)
    through(house, door, "captions", b'{"type": "session_request", "session_id": "s", "userId": "u"}')

    (rejection,) = house.get("/v1/rejections")["data"]

    assert rejection["hint"].endswith("; rename `session_id` to `sessionId`")


def test_readings_and_refusals_are_counted_and_a_line_a_minute_tells_of_them(house: House):
    door, registry = Door(house.providers, 65_536, lambda: NOON), CollectorRegistry()
    for counter in door.counters:
        registry.register(counter)

    with structlog.testing.capture_logs() as lines:
        for number in range(3):
            through(house, door, "captions", b'{"type": "session_paused", "number": %d}' % number)
            through(house, door, "captions", b"{not json")

    def count(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"hookfold_{name}_total", {"source": "captions", **labels})

    assert (count("readings", reading="unknown_type"), count("rejections", reason="undecodable")) == (3, 3)
    assert (count("deliveries", outcome="new"), count("deliveries", outcome="rejected")) == (3, 3)
    assert [(line["event"], line["count"]) for line in lines] == [("misread", 1), ("rejected", 1)]
    assert "session_paused" not in repr(lines)
    assert lines[0]["mend"].endswith("all: /v1/events?reading=unknown_type&source=captions")
    assert lines[1]["mend"] == "why: the hints under /v1/rejections?source=captions"


@pytest.mark.parametrize(
    ("document", "fault"),
    [
        ({"action_id": "ann"}, "actionId is missing, and no type is given"),
        ({"type": "", "event": "ann", "actionId": "a"}, "no documented event has its type, or the body contradicts it"),
        ({"type": "ann", "actionId": "a"}, "no documented event has its type, or the body contradicts it"),
    ],
)
def test_the_line_of_a_body_of_no_documented_type_says_why_without_a_word_of_it(
    house: House, document: dict[str, Any], fault: str
):
    door = Door(house.providers, 65_536, lambda: NOON)
    entry = house.entry("energy", document, key="1")

    with structlog.testing.capture_logs() as lines:
        door.answer(entry, house.log.append([entry])[0])

    assert (lines[0]["reading"], lines[0]["fault"]) == ("unknown_type", fault)
    assert "ann" not in repr(lines)


def test_the_line_of_a_body_that_cannot_be_read_says_what_is_wrong_and_no_value_of_it(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)
    entry = house.entry("clinic", {**wms("ann@example.com", 0), "sequence": "ann"})

    with structlog.testing.capture_logs() as lines:
        door.answer(entry, house.log.append([entry])[0])

    assert lines[0]["fault"] == "sequence is not an integer from 0"
    assert "reading=undecodable&source=clinic" in lines[0]["mend"]
    assert "ann" not in repr(lines)


def test_the_line_of_a_signature_that_does_not_hold_names_what_takes_it_back(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)

    with structlog.testing.capture_logs() as lines:
        through(house, door, "clinic", b"{}")

    assert "/v1/rejections?source=clinic" in lines[0]["mend"]
    assert "`hookfold quarantine release --source clinic`" in lines[0]["mend"]
    assert "the newest 1,000 at most" in lines[0]["mend"]


def test_a_line_a_minute_of_each_source_tells_why_deliveries_were_not_recorded(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)
    entries = [house.entry(source, b"ann", key="m-1") for source in ("energy", "energy", "clinic")]

    with structlog.testing.capture_logs() as lines:
        answers = [door.answer(entry, Unavailable("the writing process is away")) for entry in entries]

    assert [answer.status for answer in answers] == [503] * 3
    assert [(line["event"], line["source"], line["reason"], line["count"]) for line in lines] == [
        ("unrecorded", "energy", "the writing process is away", 1),
        ("unrecorded", "clinic", "the writing process is away", 1),
    ]
    assert "/readyz" in lines[0]["mend"]


def test_of_a_fault_of_ours_the_line_has_the_class_alone_which_quotes_nothing_that_was_sent(house: House):
    door = Door(house.providers, 65_536, lambda: NOON)

    with structlog.testing.capture_logs() as lines:
        door.answer(house.entry("energy", b"ann", key="m-1"), ValueError("ann"))

    assert [line["reason"] for line in lines] == ["ValueError"]
    assert "ann" not in repr(lines)
