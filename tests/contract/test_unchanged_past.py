"""Lists of the past: what nothing has become known of since is told as it is stored, as a fold would tell it."""

from collections.abc import Iterator
from contextlib import closing
from itertools import product
from typing import Any

import pytest
from sqlalchemy import false

from adapters.sql import Reads
from adapters.sql.history import candidates
from adapters.sql.history.past_rows import PastRows
from tests.support.house import NOON, SECOND, pushed, wms
from tests.support.travel import Place

LISTS = ("sessions", "measurements", "actions", "devices", "registrations")


@pytest.fixture
def here(database_url: str) -> Iterator[Place]:
    with closing(Place(database_url)) as here:
        yield here


def in_the_past(here: Place, *times: int | None) -> list[Any]:
    """What every list told at each position, as of each of these seconds after NOON and for all time."""
    clocks: list[dict[str, Any]] = [
        {"known_at_position": position} for position in range(1, here.api.reads.head() + 1, 9)
    ]
    happened: list[dict[str, Any]] = [
        {} if second is None else {"as_of": f"2023-11-14T22:{13 + (20 + second) // 60:02}:20Z"} for second in times
    ]
    asked = product(LISTS, clocks, happened)
    return [here.get(f"/v1/{path}", limit=100, **known, **then)["data"] for path, known, then in asked]


def is_told_as_folded(here: Place, monkeypatch: pytest.MonkeyPatch, *times: int | None) -> bool:
    told = in_the_past(here, *times)
    with monkeypatch.context() as patch:
        patch.setattr(Reads, "settled", lambda *_: {})
        patch.setattr(candidates, "unwanted", lambda *_: false())
        return told == in_the_past(here, *times)


def test_traffic_of_every_kind_is_told_as_a_fold_tells_it(here: Place, monkeypatch):
    here.busy()
    here.send("clinic", wms("s-3", 0, "WMS_LOADED", 90_000))  # its clock is ahead
    here.send("energy", {**pushed("a-7"), "completedAt": None}, key="msg_7")  # it has no time

    assert is_told_as_folded(here, monkeypatch, None, -600, 60)


def test_a_device_that_is_only_mentioned_was_not_there_before_it_was_named(here: Place):
    here.send("energy", pushed("a-1"), key="msg_1")

    assert here.get("/v1/devices", as_of="2023-11-14T21:30:00Z")["data"] == []
    assert [one["device_id"] for one in here.get("/v1/devices", as_of="2023-11-14T22:30:00Z")["data"]] == ["car-1"]


def test_what_was_retracted_or_erased_since_is_told_as_a_fold_tells_it(here: Place, monkeypatch):
    for number in range(3):
        here.send("clinic", wms("s-1", number))
    here.send("clinic", wms("s-2", 0, "MEASUREMENT_STARTED"))
    here.keeper().retractor.retract(2, "sent by mistake")
    eraser = here.keeper().eraser
    eraser.erase(eraser.of_streams([here.ids.of("session", "clinic", "s-2")]), "asked for")

    assert is_told_as_folded(here, monkeypatch, None)


def test_a_session_with_more_measurements_than_its_row_holds_is_told_as_a_fold_tells_it(here: Place, monkeypatch):
    for number in range(7):
        here.send("clinic", wms("s-1", 2 * number, "MEASUREMENT_STARTED", number))
        here.send("clinic", wms("s-1", 2 * number + 1, "MEASUREMENT_CREATED", number, measurementId=f"m-{number}"))

    assert is_told_as_folded(here, monkeypatch, None)


def test_what_nothing_was_learnt_of_since_is_not_folded_again(here: Place, monkeypatch):
    here.busy()
    position, then = here.api.reads.head(), f"2023-11-14T22:{14 + NOON % SECOND}:00Z"
    here.send("clinic", wms("s-9", 0))
    monkeypatch.setattr(PastRows, "_fold", None)

    scans = here.get("/v1/sessions", source="clinic", known_at_position=position, as_of=then)["data"]

    assert [one["session_id"] for one in scans] == ["s-2", "s-1"]


def test_a_conflict_is_told_since_it_was_known_and_nothing_is_folded_for_it(here: Place, monkeypatch):
    here.send("energy", pushed("a-1"), key="msg_1")
    here.send("energy", pushed("a-2"), key="msg_2")
    here.send("energy", pushed("a-1", completedAt="2023-11-14T22:00:09Z"), key="msg_1")
    here.send("energy", pushed("a-3"), key="msg_3")
    monkeypatch.setattr(PastRows, "_fold", None)

    known = [here.get("/v1/actions", known_at_position=position)["data"] for position in (1, 2, 3)]
    conflicts = here.get("/v1/actions", anomaly="conflict", known_at_position=3)["data"]

    assert [[one["anomaly_counts"] for one in page] for page in known] == [
        [{}],
        [{}, {"conflict": 1}],
        [{}, {}, {"conflict": 1}],
    ]
    assert [one["action_id"] for one in conflicts] == ["a-1"]


def test_a_page_folds_so_many_that_have_changed_and_no_more(here: Place, monkeypatch):
    monkeypatch.setattr("adapters.sql.history.candidates.FOLDED", 2)
    monkeypatch.setattr("adapters.sql.history.candidates._CHUNK", 2)
    for number in range(5):
        here.send("clinic", wms(f"s-{number}", 0))
    for number in range(5):
        here.send("clinic", wms(f"s-{number}", 1, "CONFIGURATION_LOADED"))

    pages = list(here.walk("/v1/sessions", state="loaded", limit=3, known_at_position=5))

    assert [[one["session_id"] for one in page] for page in pages] == [["s-4", "s-3"], ["s-2", "s-1"], ["s-0"]]
