"""What the time makes of a state can be asked for: overdue, presumed to have ended, silent."""

from collections.abc import Iterator
from typing import Any

import pytest

from adapters.http import due_counts
from core.folding import fold
from tests.support.house import NOON, SECOND, House, start, stop, wms


@pytest.fixture
def due(database_url: str) -> Iterator[House]:
    """One action is live, one is over; a session is open, one has ended; a scan was left in the middle."""
    found = House(database_url)
    settings = fold.Settings(package_name="com.example.captions", presumed_ended_after=3600 * SECOND)
    found.api.sources["captions"].settings = settings
    for name in ("live", "over"):
        found.tell(source="energy", key=name, action_id=name, state="acknowledged", occurred_at=NOON)
    found.tell(key="end", state="cancelled", source="energy", action_id="over", occurred_at=NOON + SECOND)
    found.send("captions", start("ann@example.com"))
    found.send("captions", start("bob@example.com"))
    found.send("captions", stop("bob@example.com"))
    begun = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]
    for number, event in enumerate(begun):
        found.send("clinic", wms("scan", number, event))
    yield found
    found.close()


NOW, LATER = "2023-11-14T22:13:20Z", "2023-11-15T22:13:20Z"


def names(house: House, path: str, field: str, now: str, **asked: Any) -> list[str]:
    return [row[field] for row in house.get(path, now=now, **asked)["data"]]


def test_what_is_overdue_is_listed_and_what_is_not_as_well(due: House):
    assert names(due, "/v1/actions", "action_id", LATER, overdue="true") == ["live"]
    assert names(due, "/v1/actions", "action_id", LATER, overdue="false") == ["over"]
    assert names(due, "/v1/actions", "action_id", NOW, overdue="true") == []
    assert names(due, "/v1/sessions", "session_id", LATER, overdue="true") == ["scan"]
    assert names(due, "/v1/sessions", "user_id", LATER, presumed_ended="true") == ["ann@example.com"]
    assert names(due, "/v1/sessions", "session_id", LATER, presumed_ended="true", overdue="true") == []


def test_every_row_is_listed_as_its_own_derived_word_says(due: House):
    for word, path in (("overdue", "actions"), ("presumed_ended", "sessions"), ("silent", "registrations")):
        for wanted in (True, False):
            asked: dict[str, Any] = {word: str(wanted).lower(), "now": LATER}
            rows = due.get(f"/v1/{path}", **asked)["data"]
            assert all(row["derived"].get(word, False) is wanted for row in rows)


def test_they_are_counted_by_source_and_word_among_those_that_were_opened_first(due: House, monkeypatch):
    due.tell(source="energy", key="new", action_id="new", state="acknowledged", occurred_at=NOON)
    asked = due.api.reads, due.api.current.built(), due.api.sources, 2 * NOON

    every = due_counts(*asked)
    monkeypatch.setattr("adapters.sql.queries.due.MOST", 1)

    expected = {("captions", "presumed_ended"): 1, ("clinic", "overdue"): 1}
    assert every == {("energy", "overdue"): 2} | expected
    assert due_counts(*asked) == {("energy", "overdue"): 1} | expected


def test_the_past_is_asked_the_same_way(due: House):
    then: dict[str, Any] = {"as_of": LATER, "overdue": "true"}

    assert [row["action_id"] for row in due.get("/v1/actions", **then)["data"]] == ["live"]
