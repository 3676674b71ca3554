"""A captured history folds as the stream did, and names nobody."""

import json

import pytest

from adapters.sql import Replay, ReplayRefused
from core.folding.fold import MACHINES, fold, trace
from core.views.golden_history import line_of, stream, summary
from tests.support.house import House, pushed, start, stop, wms

ANN = "ann.wearer@example.com"


@pytest.fixture
def house(database_url):
    house = House(database_url)
    house.send("captions", start(ANN))
    house.send("captions", stop(ANN, reason="Ann switched it off"))
    for number, event in enumerate(["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED"]):
        house.send("clinic", wms("scan of Ann", number, event))
    house.send("clinic", wms("scan of Ann", 5, "MEASUREMENT_CREATED", measurementId="ann-1"))
    house.send("clinic", wms("scan of Ann", 3, "CAMERA_STARTED"))
    house.send("energy", pushed("a 1", device="Ann's car", result={"said": "hello Ann"}), key="m1")
    yield house
    house.close()


def replay(house: House) -> Replay:
    return Replay(house.engine, house.code, lambda: 10**15)


@pytest.mark.parametrize("path", ["/v1/sessions?source=captions", "/v1/sessions?source=clinic", "/v1/actions"])
def test_a_captured_history_folds_as_the_stream_did_and_names_nobody(house, path):
    (found,) = house.get(path)["data"]

    story = replay(house).capture(found["id"], "why")

    kind, events = MACHINES[story.machine], stream(*story.events)
    assert [line_of(step) for step in trace(kind, events, story.settings)] == story.trace
    assert {name: summary(getattr(fold(kind, events, story.settings), name)) for name in story.state} == story.state
    assert story.state["state"] == found["state"]
    assert len(story.events) == found["events"]
    assert "ann" not in json.dumps(story.events).lower().replace("cancel", "")


def test_what_came_late_is_late_in_the_captured_history_too(house):
    (found,) = house.get("/v1/sessions", source="clinic")["data"]

    story = replay(house).capture(found["id"], "why")

    assert [line.split(" ")[0] for line in story.events][-1] == "CAMERA_STARTED"
    assert {line.split(" ")[0] for line in story.state["anomalies"]} == {one["kind"] for one in found["anomalies"]}


def test_an_id_that_nobody_has_is_refused(house):
    with pytest.raises(ReplayRefused, match="no stream"):
        replay(house).capture("ses_" + "a" * 26, "why")
