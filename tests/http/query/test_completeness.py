"""Completeness: what is missing, late, doubled, contradicted or overdue, and sources gone silent."""

from typing import Any

import pytest

from adapters.http.views import completeness
from tests.support.house import House, pushed, start, wms

PATH = "/v1/audit/completeness"
LATER = "2023-11-14T23:00:00Z"


@pytest.fixture
def busy(house: House) -> House:
    """A whole session, one with a hole and a measurement that never ended, an action in conflict, one overdue."""
    house.send("captions", start("ann@example.com"))
    house.send("clinic", wms("whole", 0))
    house.send("clinic", wms("scan", 0))
    house.send("clinic", wms("scan", 3, "MEASUREMENT_STARTED"))
    house.send("clinic", wms("scan", 0))
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", pushed("a-1", limit=1), key="m-1")
    house.tell(source="energy", key="k", action_id="a-2", state="acknowledged", occurred_at=1_700_000_000_000_000)
    return house


def told(page: dict[str, Any]) -> dict[str, list[str]]:
    name = ("session_id", "action_id")
    return {
        next(one[key] for key in name if key in one): [found["what"] for found in one["findings"]]
        for one in page["data"]
    }


def everything(house: House, **asked: Any) -> dict[str, list[str]]:
    page = house.get(PATH, **asked)
    found = told(page)
    while page["next_cursor"]:
        page = house.get(PATH, cursor=page["next_cursor"])
        found |= told(page)
    return found


def test_only_what_is_not_whole_is_told(busy: House):
    assert everything(busy, now=LATER) == {
        "scan": ["missing", "doubled", "never_ended", "overdue"],
        "a-2": ["overdue"],
        "a-1": ["conflict"],
    }


def test_what_is_lost_is_told_apart_from_what_is_irregular(busy: House):
    busy.send("clinic", wms("twice", 0))
    busy.send("clinic", wms("twice", 0))
    found = {one.get("session_id"): one for one in busy.get(PATH, now=LATER, source="clinic")["data"]}

    assert [one["what"] for one in found["scan"]["findings"] if one["lost"]] == ["missing", "never_ended", "overdue"]
    assert (found["scan"]["lost"], found["scan"]["irregular"]) == (3, 1)
    assert (found["twice"]["lost"], found["twice"]["irregular"]) == (0, 1)
    assert set(everything(busy, now=LATER, lost="true")) == {"scan", "a-1", "a-2"}
    assert everything(busy, now=LATER, lost="true")["scan"] == ["missing", "doubled", "never_ended", "overdue"]
    assert everything(busy, now=LATER, lost="false") == {"twice": ["doubled"]}
    assert busy.problem(PATH, lost="maybe")["detail"] == "lost: expected true or false"


def test_a_finding_says_where_and_of_which_measurement(busy: House):
    (scan,) = busy.get(PATH, session_id="scan", now=LATER)["data"]

    assert (scan["id"], scan["kind"], scan["source"]) == (
        busy.ids.of("session", "clinic", "scan"),
        "session",
        "clinic",
    )
    (measurement,) = busy.get("/v1/measurements")["data"]
    ended = next(found for found in scan["findings"] if found["what"] == "never_ended")
    assert (ended["measurement"], ended["position"]) == (measurement["id"], 4)
    missing = scan["findings"][0]
    assert (missing["position"], missing["detail"]) == (4, "sequence 1-2 missing")
    assert (missing["gap"], ended["gap"]) == ({"first": 1, "last": 2}, None)


def test_a_session_that_is_not_there_is_not_told_as_whole(busy: House):
    whole = busy.get(PATH, session_id="whole")

    assert (whole["data"], whole["examined"]) == ([], {"session": 1, "measurement": 0})
    assert busy.get(PATH, source="clinic")["examined"] == {"session": 2, "measurement": 1}
    assert "no such session" in busy.problem(PATH, 404, session_id="wholly")["detail"]
    assert "no such session" in busy.problem(PATH, 404, session_id="whole", source="energy")["detail"]
    assert "no such session" in busy.problem(PATH, 404, session_id="scan", known_at_position=2)["detail"]


def test_now_decides_what_is_overdue(busy: House):
    found = everything(busy, now="2023-11-14T22:13:30Z")

    assert "a-2" not in found
    assert found["scan"] == ["missing", "doubled"]


def test_the_past_is_asked_by_either_clock(busy: House):
    assert everything(busy, known_at_position=3, now=LATER) == {}
    assert list(everything(busy, known_at_position=4, now=LATER)) == ["scan"]


def test_a_source_that_was_not_heard_for_long_is_silent(busy: House):
    def silent(**asked: Any) -> dict[str, bool]:
        return {one["source"]: one["derived"]["silent"] for one in busy.get(PATH, **asked)["sources"]}

    assert silent(now=LATER) == {"captions": False, "clinic": False, "energy": False, "older": True}
    assert silent(now=LATER, silent_after=60)["clinic"] is True
    assert silent(source="clinic", now="2023-11-16T00:00:00Z") == {"clinic": True}
    (clinic,) = busy.get(PATH, source="clinic", now=LATER)["sources"]
    assert (clinic["position"], clinic["last_received_at"]) == (4, "2023-11-14T22:13:20.000000Z")
    assert clinic["delay_s"] == -3.0


def test_that_time_goes_by_is_no_news(busy: House):
    def etag(now: str) -> str:
        return str(busy.client.get(PATH, query_string={"source": "captions", "now": now}).headers["ETag"])

    assert etag("2023-11-15T00:00:00Z") == etag("2023-11-16T00:00:00Z")


def test_a_page_examines_so_many_streams_and_no_more(busy: House, monkeypatch):
    monkeypatch.setattr(completeness, "EXAMINED", 1)

    assert len(everything(busy, now=LATER)) == 3
    assert everything(busy, now=LATER, limit=1) == everything(busy, now=LATER)


def test_what_is_asked_wrongly_is_refused_by_name(one_house: House):
    assert one_house.problem(PATH, silent_after=0)["parameter"] == "silent_after"
    assert one_house.problem(PATH, now="soon")["parameter"] == "now"
