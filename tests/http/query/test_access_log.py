"""What is done with the log is an event of our own; what was erased or retracted is told as such."""

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.sql import Recorder, Tree, keeper
from tests.support.house import NOON, SECOND, House, start, wms

ANN = "ann@example.com-com.example.captions"


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    object.__setattr__(house.api, "signer", CheckpointSigner(Tree(house.engine), CurrentKey(SigningKey(b"k" * 32))))
    yield house
    house.close()


def kept(house: House) -> Any:
    return keeper(house.engine, house.code, house.log, lambda: NOON, "command line")


def erase(house: House, stream: str) -> None:
    eraser = kept(house).eraser
    eraser.erase(eraser.of_streams([stream]), "asked for")


def test_reading_a_raw_body_is_recorded_before_it_is_answered(house: House):
    house.send("clinic", wms("s", 0))

    house.client.get("/v1/events/1/body")

    told = house.get("/v1/events/2")
    assert (told["source"], told["type"], told["stream"]) == ("hookfold", "body_read", None)
    session = house.ids.of("session", "clinic", "s")
    assert told["data"] == {"who": "local", "through": "http", "position": 1, "of": session}


def test_the_list_says_who_did_what_with_what(house: House):
    house.send("clinic", wms("s", 0))
    house.send("clinic", b"not JSON")
    session = house.ids.of("session", "clinic", "s")
    for path in ("/v1/events/1/body", "/v1/events/2/body", f"/v1/sessions/{session}/evidence"):
        assert house.client.get(path).data
    house.recorder.record("forwarded", source="captions", status=200)
    house.recorder.record("exported", by="ann", format="jsonl", many=[*range(11)])

    listed = house.get("/v1/events", source="hookfold")["data"]

    told = [{name: value for name, value in one.get("told", {}).items() if name != "through"} for one in listed]
    assert told == [
        {"who": "local", "position": 1, "of": session},
        {"who": "local", "position": 2},
        {"who": "local", "of": session},
        {},
        {"who": "ann", "format": "jsonl"},
    ]
    assert "told" not in house.get("/v1/events", source="clinic")["data"][0]


def test_who_reads_a_stream_again_and_again_has_one_event_an_hour_that_counts(house: House):
    now = [NOON]
    object.__setattr__(house.api, "record", Recorder(house._append, lambda: now[0], "http").record)
    for number in (0, 1, 2):
        house.send("clinic", wms("s", number))
    house.send("clinic", wms("other", 0))
    house.send("clinic", b"not JSON")

    for position in (1, 2, 3, 1, 4, 5, 5, 5):
        house.client.get(f"/v1/events/{position}/body")
    now[0] += 3_600 * SECOND
    house.client.get("/v1/events/3/body")

    listed = house.get("/v1/events", source="hookfold")["data"]
    told = [house.get(f"/v1/events/{one['position']}") for one in listed]
    assert [(one["data"]["position"], one["duplicates"]) for one in told] == [(1, 3), (4, 0), (5, 2), (3, 0)]
    assert house.get("/v1/deliveries", verdict="conflict")["data"] == []


def test_who_else_reads_it_has_an_event_too(house: House):
    house.send("clinic", wms("s", 0))
    for who in ("ann", "bob", "ann"):
        house.api.record("body_read", by=who, hourly="ses_1", position=1)

    told = [house.get(f"/v1/events/{position}") for position in (2, 3)]

    assert [(one["data"]["who"], one["duplicates"]) for one in told] == [("ann", 1), ("bob", 0)]


def test_reading_what_is_not_there_or_what_we_recorded_ourselves_is_not_recorded(house: House):
    house.send("clinic", wms("s", 0))
    house.client.get("/v1/events/1/body")

    house.client.get("/v1/events/2/body")
    house.client.get("/v1/events/9/body")

    assert house.get("/readyz")["position"] == 2


def test_our_own_events_are_listed_by_source_and_are_no_deliveries(house: House):
    house.send("clinic", wms("s", 0))
    house.client.get("/v1/events/1/body")

    assert [event["type"] for event in house.get("/v1/events", source="hookfold")["data"]] == ["body_read"]
    assert [delivery["source"] for delivery in house.get("/v1/deliveries")["data"]] == ["clinic"]


def test_an_erased_session_is_told_as_it_was_folded_and_marked(house: House):
    house.send("captions", start("ann@example.com"))
    session = house.ids.of("session", "captions", ANN)
    before = house.get(f"/v1/sessions/{session}")
    assert before["erased"] is None

    erase(house, session)

    after = house.get(f"/v1/sessions/{session}")
    same = ("id", "state", "run", "events", "position", "first_at", "last_at", "unsigned", "anomalies")
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["erased"], after["session_id"], after["user_id"], after["data"]) == (2, None, None, {})
    assert house.get("/v1/sessions", user_id="ann@example.com")["data"] == []


def test_an_erased_measurement_keeps_its_address(house: House):
    for number, event in enumerate(("WMS_LOADED", "MEASUREMENT_STARTED", "MEASUREMENT_CREATED")):
        house.send("clinic", wms("s", number, event, measurementId="m-1"))
    (before,) = house.get("/v1/measurements")["data"]

    erase(house, house.ids.of("session", "clinic", "s"))

    after = house.get(f"/v1/measurements/{before['id']}")
    assert (after["state"], after["measurement_id"], after["erased"]) == (before["state"], None, 4)


def test_the_timeline_of_an_erased_measurement_says_that_it_has_the_whole_visit_in_the_providers_order(house: House):
    scans = {2: "MEASUREMENT_CREATED", 0: "WMS_LOADED", 1: "MEASUREMENT_STARTED", 3: "MEASUREMENT_CANCELED"}
    for number, event in scans.items():
        house.send("clinic", wms("s", number, event, measurementId="m-1"))
    house.send("clinic", wms("s", 4, "MEASUREMENT_CREATED", measurementId="m-2"))
    ours = house.get("/v1/measurements", measurement_id="m-2")["data"][0]["id"]
    path = f"/v1/measurements/{ours}/timeline"
    before = house.client.get(f"{path}?format=text").get_data(as_text=True)

    erase(house, house.ids.of("session", "clinic", "s"))

    steps = house.get(path)["data"]
    assert [(step["entry"], step["sequence"]) for step in steps] == [("erased", number) for number in range(5)]
    assert [house.get(path, limit=1)["data"][0]["position"], steps[2]["position"]] == [2, 1]
    said = "(events of the whole visit: which of the erased ones belong to this measurement was erased)"
    assert said in house.client.get(f"{path}?format=text").get_data(as_text=True)
    assert said not in before


def test_what_an_erased_event_said_is_gone_and_that_it_happened_is_not(house: House):
    house.send("captions", start("ann@example.com"))
    erase(house, house.ids.of("session", "captions", ANN))

    event = house.get("/v1/events/1")

    assert (event["type"], event["session_id"], event["data"]) == ("session_request", None, {})
    house.problem("/v1/events/1/body", 404)


def test_the_past_of_an_erased_stream_is_gone_even_if_it_was_asked_for_before(house: House):
    house.send("captions", start("ann@example.com"))
    session = house.ids.of("session", "captions", ANN)
    assert house.get(f"/v1/sessions/{session}", known_at_position=1)["user_id"] == "ann@example.com"

    erase(house, session)

    gone = house.client.get(f"/v1/sessions/{session}", query_string={"known_at_position": 1})
    assert gone.status_code == 410
    assert b"ann@" not in gone.data


def test_what_is_left_of_an_erased_stream_is_told_and_what_would_need_its_bodies_is_gone(house: House):
    house.send("captions", start("ann@example.com"))
    session = f"/v1/sessions/{house.ids.of('session', 'captions', ANN)}"

    erase(house, session.rpartition("/")[2])

    (entry,) = house.get(f"{session}/timeline")["data"]
    assert (entry["entry"], entry["position"]) == ("erased", 1)
    assert house.get(f"{session}/why")["state"] == house.get(session, known_at_position=2)["state"] == "active"
    for when in ({"as_of": "2100-01-01T00:00:00Z"}, {"known_at_position": 1}):
        for path in (session, f"{session}/timeline", f"{session}/why"):
            assert house.client.get(path, query_string=when).status_code == 410, (path, when)


@pytest.mark.parametrize(
    "then", [{"known_at_position": 1}, {"known_at_position": 1, "with_position": 1}, {"known_at_position": 2}]
)
def test_what_was_learnt_of_an_erased_stream_is_gone(house: House, then: dict[str, int]):
    house.send("captions", start("ann@example.com"))
    session = house.ids.of("session", "captions", ANN)

    erase(house, session)

    gone = house.client.get(f"/v1/sessions/{session}/compare", query_string=then)
    assert gone.status_code == 410


def test_a_retracted_event_stays_in_the_timeline_as_such(house: House):
    house.send("clinic", wms("s", 0))
    house.send("clinic", wms("s", 1, "GENERAL_ERROR"))
    kept(house).retractor.retract(2, "forged")
    session = house.ids.of("session", "clinic", "s")

    timeline = house.get(f"/v1/sessions/{session}/timeline")["data"]

    assert house.get(f"/v1/sessions/{session}")["state"] == "loaded"
    assert [(step["position"], step["entry"]) for step in timeline] == [(1, "event"), (2, "retracted")]
    assert timeline[1]["reason"] == "retracted by the event at position 3 (local: forged): the fold passes it by"
    assert house.get(f"/v1/sessions/{session}", known_at_position=2)["state"] == "failed"


def test_evidence_is_a_zip_and_its_making_is_recorded(house: House):
    house.send("clinic", wms("s", 0))
    session = house.ids.of("session", "clinic", "s")

    answer = house.client.get(f"/v1/sessions/{session}/evidence")

    assert (answer.status_code, answer.content_type) == (200, "application/zip")
    names = zipfile.ZipFile(io.BytesIO(answer.data)).namelist()
    assert {"verify.py", "manifest.note", "report.html", "events/000000000001.body"} <= set(names)
    assert [event["type"] for event in house.get("/v1/events", source="hookfold")["data"]] == ["evidence_made"]


def test_there_is_no_evidence_of_what_is_not_there(house: House):
    missing = house.ids.of("session", "clinic", "nobody")

    house.problem(f"/v1/sessions/{missing}/evidence", 404)
    house.problem("/v1/measurements/mea_x/evidence", 404)

    assert house.get("/readyz")["position"] == 0
