"""What is going on: counts by state and outcome, those of the last day, when each source was heard."""

from typing import Any

from adapters.sql.reads import reads_counts
from tests.support.house import House, pushed, start, stop, wms

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


def test_of_each_kind_the_newest_are_counted(house: House, monkeypatch):
    monkeypatch.setattr(reads_counts, "NEWEST", 2)
    for name in ("ann", "ben", "cyd"):
        house.send("captions", start(f"{name}@example.com"))

    assert counts(house.get("/v1/overview")["counts"]) == {("session", "captions", "active", None, 2)}


def test_an_empty_log_has_nothing_to_count(one_house: House):
    overview = one_house.get("/v1/overview")

    assert (overview["position"], overview["counts"], overview["derived"]["counts"]) == (0, [], [])
