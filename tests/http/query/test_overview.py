"""What is going on: counts by state and outcome, those of the last day, when each source was heard."""

import json
from typing import Any

from adapters.providers import read_outcome
from adapters.sql import Entry
from tests.support.house import NOON, House, pushed, start, stop, wms

RECORDED_LONG_AGO = "2023-11-16T00:00:00Z"


def counts(told: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {(one["kind"], one["source"], one["state"], one["outcome"], one["count"]) for one in told}


def test_everything_is_counted_by_kind_source_state_and_outcome(house: House):
    house.send("clinic", wms("s", 0, "MEASUREMENT_STARTED"))
    house.send("clinic", wms("s", 1, "LOW_SNR", 1))
    for name in ("ann", "ben", "cyd"):
        house.send("captions", start(f"{name}@example.com"))
    house.send("captions", stop("ann@example.com"))
    house.send("energy", pushed("a-1"), key="1")

    overview = house.get("/v1/overview")

    assert counts(overview["counts"]) == {
        ("session", "clinic", "canceled", "canceled", 1),
        ("measurement", "clinic", "canceled", "canceled", 1),
        ("session", "captions", "active", None, 2),
        ("session", "captions", "stopped", None, 1),
        ("action", "energy", "completed", None, 1),
        ("device", "energy", "unknown", None, 1),
    }
    assert (overview["position"], overview["lag"], overview["unbuilt"]) == (7, 0, False)
    assert {one["source"]: one["position"] for one in overview["derived"]["sources"]} == {
        "captions": 6,
        "clinic": 2,
        "energy": 7,
        "older": None,
    }


def test_the_last_day_is_that_before_now_and_no_part_of_the_etag(house: House):
    house.send("captions", start("ann@example.com"))

    today = house.client.get("/v1/overview")
    later = house.client.get("/v1/overview", query_string={"now": RECORDED_LONG_AGO})

    assert counts(today.json["derived"]["counts"]) == {("session", "captions", "active", None, 1)}
    assert later.json["derived"]["counts"] == []
    assert counts(later.json["counts"]) == counts(today.json["counts"])
    assert today.headers["ETag"] == later.headers["ETag"]


def test_a_day_before_the_first_time_there_is_begins_with_that(house: House):
    told = house.get("/v1/overview", now="0001-01-01T00:00:00Z")

    assert told["derived"]["since"] == "0001-01-01T00:00:00.000000Z"


def test_of_each_kind_the_newest_are_counted(house: House, monkeypatch):
    monkeypatch.setattr("adapters.sql.queries.counts.NEWEST", 2)
    for name in ("ann", "ben", "cyd"):
        house.send("captions", start(f"{name}@example.com"))

    assert counts(house.get("/v1/overview")["counts"]) == {("session", "captions", "active", None, 2)}


def test_an_empty_log_has_nothing_to_count(one_house: House):
    overview = one_house.get("/v1/overview")

    assert (overview["position"], overview["counts"], overview["derived"]["counts"]) == (0, [], [])


def visit(house: House, name: str, *types: str) -> None:
    for number, kind in enumerate(types):
        house.send("clinic", wms(name, number, kind, number, measurementId="m"))


def reached(funnel: dict[str, Any]) -> list[int]:
    return [step["reached"] for step in funnel["steps"]]


def dropped(funnel: dict[str, Any]) -> dict[str, dict[str | None, int]]:
    told = {step["step"]: {one["ended_by"]: one["count"] for one in step["dropped"]} for step in funnel["steps"]}
    return {step: found for step, found in told.items() if found}


TO_CAMERA = ("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED")
SCANNED = (*TO_CAMERA, "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "INTERMEDIATE_RESULTS", "SCAN_COMPLETED")


def visits_of_all_kinds(house: House) -> None:
    visit(house, "gone at once", "WMS_LOADED", "PAGE_UNLOADED")
    visit(house, "denied", "WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_DENIED", "PAGE_UNLOADED")
    visit(house, "dark", *TO_CAMERA, "MEASUREMENT_STARTED", "LOW_SNR", "PAGE_UNLOADED")
    visit(house, "again", *TO_CAMERA, "MEASUREMENT_STARTED", "LOW_SNR", "MEASUREMENT_STARTED")
    visit(house, "whole", *SCANNED, "RESULTS_RECEIVED", "REDIRECTING_TO_CALLBACK", "PAGE_UNLOADED")
    visit(house, "failed", *SCANNED, "API_ERROR", "REDIRECTING_TO_CALLBACK", "PAGE_UNLOADED")


def sessions(house: House, **asked: Any) -> list[str]:
    return [one["session_id"] for page in house.walk("/v1/sessions", **asked) for one in page]


def test_a_funnel_tells_where_visits_end_and_what_ended_them(house: House):
    visits_of_all_kinds(house)

    (funnel,) = house.get("/v1/overview")["funnels"]

    assert (funnel["source"], funnel["visits"]) == ("clinic", 6)
    assert reached(funnel) == [6, 4, 4, 2, 1, 1]
    assert dropped(funnel) == {
        "loaded": {"PAGE_UNLOADED": 1, "CAMERA_PERMISSION_DENIED": 1},
        "started": {"LOW_SNR": 1, None: 1},
        "scanned": {"API_ERROR": 1},
    }


def test_every_number_of_a_funnel_is_that_of_the_sessions_with_its_end_and_last_step(house: House):
    visits_of_all_kinds(house)

    (funnel,) = house.get("/v1/overview")["funnels"]

    for step, ends in dropped(funnel).items():
        for end, count in ends.items():
            found = sessions(house, source="clinic", last_step=step, ended_by=end or "nothing")
            assert len(found) == count, (step, end, found)
    assert sessions(house, ended_by="LOW_SNR") == ["dark"]
    assert sessions(house, ended_by="nothing") == ["again"]
    assert sessions(house, last_step="loaded") == ["denied", "gone at once"]
    assert sessions(house, last_step="started", outcome="canceled", session_id="dark") == ["dark"]
    assert sessions(house, last_step="loaded", session_id="dark") == []
    assert sessions(house, ended_by="LOW_SNR", provider="amps") == []
    assert house.problem("/v1/sessions", ended_by="SOMETHING")["detail"].startswith("ended_by: expected one of")


def test_sessions_by_their_end_go_on_behind_what_a_page_looks_through(house: House, monkeypatch):
    monkeypatch.setattr("adapters.sql.queries.visits.MOST", 9)
    for number in range(8):
        visit(house, f"dark {number}", "WMS_LOADED", "MEASUREMENT_STARTED", "LOW_SNR", "PAGE_UNLOADED")
        visit(house, f"left {number}", "WMS_LOADED", "PAGE_UNLOADED")

    pages = list(house.walk("/v1/sessions", ended_by="LOW_SNR", limit=5))

    assert [one["session_id"] for page in pages for one in page] == [f"dark {number}" for number in range(7, -1, -1)]
    assert len(pages) > 2


def test_sessions_by_their_end_of_the_past_are_looked_for_from_there(house: House, monkeypatch):
    monkeypatch.setattr("adapters.sql.queries.visits.MOST", 9)
    for number in range(8):
        visit(house, f"dark {number}", "WMS_LOADED", "MEASUREMENT_STARTED", "LOW_SNR", "PAGE_UNLOADED")

    page = house.get("/v1/sessions", ended_by="LOW_SNR", known_at_position=8)

    assert [one["session_id"] for one in page["data"]] == ["dark 1", "dark 0"]


def test_sessions_by_their_end_are_those_that_had_ended_so_by_then(house: House):
    visits_of_all_kinds(house)
    head = house.get("/v1/overview")["position"]
    visit(house, "late", *TO_CAMERA, "MEASUREMENT_STARTED")
    house.send("clinic", wms("late", 5, "LOW_SNR", 50, measurementId="m"))

    assert sessions(house, ended_by="LOW_SNR") == ["late", "dark"]
    assert sessions(house, ended_by="LOW_SNR", known_at_position=head) == ["dark"]
    assert sessions(house, ended_by="nothing", known_at_position=head) == ["again"]
    assert sessions(house, ended_by="nothing", known_at_position=head + 5) == ["late", "again"]
    assert sessions(house, ended_by="nothing", as_of="2023-11-14T22:14:00Z") == ["late", "again"]
    for end in ("LOW_SNR", "PAGE_UNLOADED", "API_ERROR", "nothing"):
        present = sessions(house, ended_by=end)
        assert sessions(house, ended_by=end, known_at_position=head + 6) == present
        assert sessions(house, ended_by=end, as_of="2033-11-14T00:00:00Z", limit=1) == present


def test_a_funnel_is_of_the_newest_visits(house: House, monkeypatch):
    monkeypatch.setattr("adapters.sql.queries.visits.MOST", 2)
    visit(house, "older", "WMS_LOADED", "PAGE_UNLOADED")
    visit(house, "newer", "WMS_LOADED", "CAMERA_STARTED")

    (funnel,) = house.get("/v1/overview")["funnels"]

    assert reached(funnel) == [1, 1, 0, 0, 0, 0]


def test_anomalies_are_counted_by_kind_and_source(house: House):
    visit(house, "s", "WMS_LOADED", "CONFIGURATION_LOADED")
    house.send("clinic", wms("s", 5, "CAMERA_STARTED", 5))
    house.send("clinic", wms("t", 3, "WMS_LOADED", 3))
    house.send("captions", stop("ann@example.com"))

    found = house.get("/v1/overview")["anomalies"]

    assert {(one["kind"], one["source"], one["anomaly"], one["count"]) for one in found} == {
        ("session", "clinic", "gap", 2),
        ("session", "clinic", "unexpected", 1),
        ("session", "captions", "unexpected", 1),
    }


def test_what_a_handler_answered_is_no_word_of_the_sender(house: House):
    house.send("captions", start("ann@example.com"))
    told = {"type": "handler_failed", "session_id": "ann@example.com-com.example.captions", "at": NOON}
    body = json.dumps(told).encode()
    house.log.append([Entry("captions", NOON, [], body, None, body, read_outcome(body), False)])

    (heard,) = [one for one in house.get("/v1/overview")["derived"]["sources"] if one["source"] == "captions"]

    assert (house.get("/v1/overview")["position"], heard["position"]) == (2, 1)


def test_what_could_not_be_read_is_counted_by_source_and_reading(house: House, monkeypatch: Any):
    house.send("clinic", wms("s", 0))
    for number in range(3):
        house.send("clinic", wms("s", number + 1, "NEVER_HEARD_OF"))
    house.send("captions", start("ann@example.com") | {"timestamp": "no time"})

    def told() -> set[tuple[Any, ...]]:
        misread = house.get("/v1/overview")["misread"]
        return {(one["source"], one["reading"], one["count"]) for one in misread}

    assert told() == {("clinic", "unknown_type", 3), ("captions", "undecodable", 1)}
    monkeypatch.setattr("adapters.sql.queries.counts.NEWEST", 2)
    assert told() == {("clinic", "unknown_type", 2), ("captions", "undecodable", 1)}
