"""The other forms of an export: CloudEvents, and CSV for people."""

import base64
import csv
import io
import json
from typing import Any

import pytest

from adapters.archive import Exporter
from adapters.archive.cloudevents import cloud_events
from adapters.archive.sheets import Sheets, line_of
from adapters.sql import ExportReader, Selection
from tests.support.house import NOON, SECOND, wms
from tests.support.travel import Place


def batch(place: Place, **chosen: Any) -> list[dict[str, Any]]:
    pieces = cloud_events(ExportReader(place.engine), Selection(**chosen), lambda *_: None)
    found: list[dict[str, Any]] = json.loads(b"".join(pieces))
    return found


def sheet(place: Place, name: str, **chosen: Any) -> list[dict[str, str]]:
    sheets = Sheets(ExportReader(place.engine), place.ids, place.api.sources)
    pieces = getattr(sheets, name)(Selection(**chosen), lambda *_: None)
    return list(csv.DictReader(io.StringIO(b"".join(pieces).decode(), newline="")))


def test_a_batch_holds_every_event_with_the_attributes_that_the_format_requires(busy: Place):
    events = batch(busy)

    assert len(events) == 14
    for event in events:
        assert event["specversion"] == "1.0"
        assert all(isinstance(value, str) and value for name, value in event.items() if name != "data")
        assert all(name.isalnum() and name.islower() for name in event if name != "data_base64")
    assert len({(event["source"], event["id"]) for event in events}) == 14


def test_an_events_body_stands_in_the_batch_as_data(busy: Place):
    first = batch(busy)[0]

    assert first["data"] == wms("s-1", 0)
    assert first["time"] == "2023-11-14T22:13:20.000000Z"
    assert first["subject"].startswith("ses_")


def test_a_body_that_is_no_json_is_base64(busy: Place):
    (unreadable,) = [event for event in batch(busy) if event["reading"] == "undecodable"]

    assert base64.b64decode(unreadable["data_base64"]) == b"\xff\x00 not JSON"


def test_a_batch_of_nothing_is_an_empty_array(busy: Place):
    assert batch(busy, since=NOON + SECOND * 9) == []


def test_the_states_are_those_that_the_api_tells(busy: Place):
    rows = {row["id"]: row for row in sheet(busy, "states")}

    told = [one for found in busy.told().values() for one in found]
    assert set(rows) == {one["id"] for one in told}
    for one in told:
        row = rows[one["id"]]
        assert (row["state"], row["outcome"] or None) == (one["state"], one["outcome"])
        assert [part.split("@")[0] for part in row["anomalies"].split("; ") if part] == [
            anomaly["kind"] for anomaly in one["anomalies"]
        ]


def test_a_timeline_has_a_line_for_each_step_that_the_api_tells(busy: Place):
    session = busy.get("/v1/sessions", session_id="s-1")["data"][0]["id"]

    rows = sheet(busy, "timelines", streams=[("clinic", session)])

    told = busy.get(f"/v1/sessions/{session}/timeline", limit=100)["data"]
    assert [(row["position"], row["type"], row["from"], row["to"]) for row in rows] == [
        (str(step["position"]), step["type"], step["from"], step["to"]) for step in told
    ]
    assert [row["position"] for row in rows if "late@" in row["anomalies"]] == ["4"]


def test_a_spreadsheet_computes_nothing(busy: Place):
    rows = sheet(busy, "states") + sheet(busy, "timelines")

    assert "'=ada" in {row.get("user_id") for row in rows}
    cells = [cell for row in rows for cell in row.values() if cell]
    assert not [cell for cell in cells if cell[0] in "=+-@\t\r"]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "＝1"])
def test_a_text_that_begins_like_a_formula_gets_an_apostrophe(text: str):
    (row,) = csv.reader(io.StringIO(line_of(["safe", text, -1]).decode(), newline=""))

    assert row == ["safe", f"'{text}", "-1"]


@pytest.mark.parametrize(
    ("text", "safe"),
    [("\t=1", "'\t'=1"), ("\r=1", "'\r'=1"), ("\n=1", "'\n'=1"), ("a;=1;b", "a;'=1;b"), ("a;;-1", "a;;'-1")],
)
def test_a_formula_behind_what_another_separator_would_end_gets_one_too(text: str, safe: str):
    (row,) = csv.reader(io.StringIO(line_of([text, -1]).decode(), newline=""))

    assert row == [safe, "-1"]


@pytest.mark.parametrize("text", ['say "=1"', "a,b", "line\r\nbreak", "ä=", ""])
def test_every_other_text_stays_what_it_is(text: str):
    (row,) = csv.reader(io.StringIO(line_of([text, "x"]).decode(), newline=""))

    assert row == [text, "x"]


def test_a_source_chooses_what_is_written(busy: Place):
    assert {event["source"] for event in batch(busy, sources=["energy"])} == {"/sources/energy"}
    assert {row["source"] for row in sheet(busy, "states", sources=["energy"])} == {"energy"}


def test_a_session_is_chosen_by_either_name_and_must_be_there(busy: Place):
    exporter = Exporter(ExportReader(busy.engine), busy.ids, busy.api.sources, busy.api.record)

    by_name = exporter.choose(["clinic"], "s-1")

    assert exporter.choose(["clinic"], busy.ids.of("session", "clinic", "s-1")) == by_name
    with pytest.raises(LookupError, match="there is no session s-9"):
        exporter.choose(session="s-9")


def test_times_choose_by_when_it_was_received(busy: Place):
    assert len(batch(busy, since=NOON, until=NOON + 1)) == 14
    assert batch(busy, until=NOON) == []
    assert sheet(busy, "states", since=NOON + 1) == []
    assert len(sheet(busy, "timelines", until=NOON + 1)) == 13
