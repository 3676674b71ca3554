"""Timelines explain themselves: clocks side by side, what moved and what did not, what never came, what came again."""

import csv
from io import StringIO
from typing import Any

import pytest

from adapters.sql import keeper
from tests.support.house import NOON, House, pushed, start, stop, wms

MADE = "f0c8ca8d-111d-4dcf-a69d-46ed39a2db06"


@pytest.fixture
def scan(house: House) -> str:
    """The path of a session with a hole, a duplicate, a late chunk, a hidden page."""
    house.send("clinic", wms("scan", 0, "WMS_LOADED", 1))
    house.send("clinic", wms("scan", 4, "MEASUREMENT_STARTED", 5))
    house.send("clinic", wms("scan", 6, "INTERMEDIATE_RESULTS", 9, measurementId=MADE, snr=4.5, sequence=1))
    house.send("clinic", wms("scan", 5, "MEASUREMENT_CREATED", 7, measurementId=MADE))
    house.send("clinic", wms("scan", 0, "WMS_LOADED", 1))
    house.send("clinic", wms("scan", 7, "PAGE_VISIBILITY_CHANGE", 10, state="HIDDEN"))
    return f"/v1/sessions/{house.ids.of('session', 'clinic', 'scan')}"


def test_an_entry_has_three_clocks_every_region_and_the_secret_that_verified_it(house: House, scan):
    first = house.get(f"{scan}/timeline")["data"][0]

    assert first["entry"] == "event"
    assert first["occurred_at"] == "2023-11-14T22:13:21.000000Z"
    assert first["received_at"] == "2023-11-14T22:13:20.000000Z"
    assert first["recorded_at"].startswith("2023-11-14T22:13:20.")
    assert (first["after_s"], first["delay_s"]) == (None, -1.0)
    assert first["verified_by"] == "env:SECRET"
    assert first["before"] == {"measurement": "waiting", "connection": "unknown", "visibility": "unknown"}
    assert first["after"]["measurement"] == "loaded"


def test_what_never_came_has_an_entry_of_its_own_in_its_place(house: House, scan):
    steps = house.get(f"{scan}/timeline")["data"]

    assert [(step["entry"], step["sequence"]) for step in steps] == [
        ("event", 0),
        ("gap", None),
        ("event", 4),
        ("event", 5),
        ("event", 6),
        ("event", 7),
    ]
    assert (steps[1]["position"], steps[1]["reason"]) == (2, "sequence 1-3 has not come")


def test_keys_that_came_again_are_counted_where_they_fell(house: House, scan):
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", pushed("a-1", limit=1), key="m-1")
    action = house.ids.of("action", "energy", "a-1")

    (step,) = house.get(f"/v1/actions/{action}/timeline")["data"]

    assert (step["duplicates"], step["conflicts"]) == (1, 1)
    assert [one["duplicates"] for one in house.get(f"{scan}/timeline")["data"]] == [1, 0, 0, 0, 0, 0]


def test_conditions_are_told_with_what_they_said(house: House, scan):
    hidden = house.get(f"{scan}/timeline")["data"][-1]

    assert hidden["guards"] == {"page visible": False, "page hidden": True}
    assert (hidden["region"], hidden["from"], hidden["to"]) == ("visibility", "unknown", "hidden")


def test_durations_lie_between_steps_in_canonical_order_whatever_came_when(house: House, scan):
    steps = house.get(f"{scan}/timeline")["data"]

    assert [step["after_s"] for step in steps] == [None, None, 4.0, 2.0, 2.0, 1.0]
    assert [anomaly["kind"] for anomaly in steps[3]["anomalies"]] == ["late"]


def test_the_pages_of_a_timeline_hold_every_entry_once(house: House, scan):
    pages = list(house.walk(f"{scan}/timeline", limit=2))

    assert [len(page) for page in pages] == [2, 2, 2]
    assert [step["sequence"] for page in pages for step in page] == [0, None, 4, 5, 6, 7]


def test_csv_and_text_are_told_as_asked_or_as_accepted(house: House, scan):
    def told(accept: str | None = None, **query: str) -> tuple[str, str]:
        answer = house.client.get(f"{scan}/timeline", query_string=query, headers={"Accept": accept} if accept else {})
        return answer.content_type, answer.get_data(as_text=True)

    assert told(format="csv") == told(accept="text/csv")
    assert told(format="text") == told(accept="text/plain")
    assert told(format="csv")[0] == "text/csv; charset=utf-8"
    assert told(format="csv-bom") == (told(format="csv")[0], "\ufeff" + told(format="csv")[1])
    assert told(format="text")[0] == "text/plain; charset=utf-8"
    assert told()[0] == told(accept="*/*")[0] == told(format="json", accept="text/csv")[0] == "application/json"
    assert house.problem(f"{scan}/timeline", format="pdf")["parameter"] == "format"


def test_the_csv_has_a_line_for_every_entry(house: House, scan):
    content = house.client.get(f"{scan}/timeline?format=csv").get_data(as_text=True)

    rows = list(csv.DictReader(StringIO(content)))

    assert [row["sequence"] for row in rows] == ["0", "", "4", "5", "6", "7"]
    assert rows[1]["reason"] == "sequence 1-3 has not come"
    assert (rows[4]["snr"], rows[4]["result_sequence"]) == ("4.5", "1")
    assert rows[0]["delay_s"] == "-1.0"


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_is_computed_by_a_spreadsheet(house: House, begin):
    house.send("captions", {**start("ann@example.com"), "type": f"{begin}cmd|' /C calc'!A0"})
    (session,) = house.get("/v1/sessions")["data"]

    content = house.client.get(f"/v1/sessions/{session['id']}/timeline?format=csv").get_data(as_text=True)

    cells = [cell for row in csv.reader(StringIO(content, newline="")) for cell in row]
    assert any("calc" in cell for cell in cells)
    assert not any(cell.startswith(begin) for cell in cells if "calc" in cell)


def test_the_text_reads_in_a_terminal_and_no_sender_can_steer_it(house: House, scan):
    house.send("captions", {**start("ann@example.com"), "type": "\x1b[2Jgone"})
    captions = house.ids.of("session", "captions", "ann@example.com-com.example.captions")

    text = house.client.get(f"{scan}/timeline?format=text").get_data(as_text=True)
    unsigned = house.client.get(f"/v1/sessions/{captions}/timeline?format=text").get_data(as_text=True)

    assert "sequence 1-3 has not come" in text
    assert "loaded -> started" in text
    assert "snr 4.5 in chunk 1" in text
    assert "1 duplicate" in text
    assert "env:SECRET" in text
    assert "\x1b" not in unsigned
    assert "nothing" in unsigned
    assert "ann@example.com" not in unsigned.partition("\n")[0]


def test_the_text_has_three_clocks_every_region_and_the_rule_side_by_side(house: House, scan):
    lines = house.client.get(f"{scan}/timeline?format=text").get_data(as_text=True).splitlines()[3:]

    head, hidden = lines[0], lines[-1]
    assert (
        head.split()
        == (
            "position occurred received recorded after delay run seq event measurement connection visibility "
            "verified by remarks"
        ).split()
    )
    assert hidden.split()[:3] == ["5", "2023-11-14T22:13:30.000000Z", "22:13:20.000000Z"]
    assert hidden.split()[3].startswith("22:13:20.")
    assert [hidden[head.index(name) :].split("  ")[0] for name in ("measurement", "connection", "visibility")] == [
        "scanning",
        "unknown",
        "unknown -> hidden",
    ]
    assert hidden.endswith("; by PAGE_VISIBILITY_CHANGE [page hidden]: unknown, visible, hidden -> hidden")


def why(house: House, kind: str, source: str, name: str, **query: Any) -> Any:
    return house.get(f"/v1/{kind}s/{house.ids.of(kind, source, name)}/why", **query)


def test_why_begins_with_a_sentence_in_json_as_in_text(house: House, scan):
    house.send("clinic", wms("scan", 8, "PAGE_UNLOADED", 18))
    (measurement,) = house.get("/v1/measurements")["data"]

    for path in (scan, f"/v1/measurements/{measurement['id']}"):
        said = house.get(f"{path}/why")["sentence"]
        first, title, *_ = house.client.get(f"{path}/timeline?format=text").get_data(as_text=True).splitlines()

        assert first == said
        assert said.startswith("abandoned: PAGE_UNLOADED at 22:13:38 while scanning, ")
        assert path.rpartition("/")[2] in title
    assert house.get(f"{scan}/why")["waits_for"] == []


def test_why_is_a_restart_no_users_doing(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    house.send("captions", stop("ann@example.com", "22:10:00"))
    house.send("captions", {**start("ann@example.com"), "timestamp": "2023-11-14T22:10:00.400Z"})

    told = why(house, "session", "captions", "ann@example.com-com.example.captions")

    assert told["state"] == "active"
    assert [step["position"] for step in told["chain"]] == [3]
    assert told["stops"] == [
        {"run": 1, "words": "restart: start came 0.4 s later; `user_disabled` does not mean the user"}
    ]
    assert {(one["trigger"], one["to"]) for one in told["waits_for"]} >= {("stop_request", "stopped")}


def test_why_it_stopped_is_told_as_far_as_it_can_be_known(house: House):
    for user, last in [("ann", stop("ann")), ("bob", stop("bob", reason="error")), ("eve", start("eve", "22:30:00"))]:
        house.send("captions", start(user, "22:00:00"))
        house.send("captions", last)

    def words(user: str) -> str:
        return str(why(house, "session", "captions", f"{user}-com.example.captions")["stops"][0]["words"])

    assert words("ann").startswith("no start is known within 10 s; `user_disabled` is what the cloud always says")
    assert words("bob") == "no start is known within 10 s; `error` is as sent"
    assert words("eve").startswith("no stop came: a new start took over")


def test_why_of_a_session_that_only_a_stop_tells_of_knows_no_run(house: House):
    house.send("captions", stop("ann@example.com"))

    told = why(house, "session", "captions", "ann@example.com-com.example.captions")

    assert (told["state"], told["run"], told["stops"]) == ("stopped", 0, [])


def test_why_tells_what_did_not_move_it_and_which_condition_refused(house: House):
    house.send("energy", pushed("a-1"), key="m-1")
    house.send("energy", {"actionId": "a-1", "errorCode": "x", "failedAt": "2023-11-14T22:00:05Z"}, key="m-2")

    told = why(house, "action", "energy", "a-1")

    assert (told["state"], [step["type"] for step in told["chain"]]) == ("completed", ["push.completed"])
    (refused,) = told["unmoved"]
    assert refused["reason"] == "the first ending stays"
    assert refused["guards"] == {"webhook beats told": False}
    assert [anomaly["kind"] for anomaly in refused["anomalies"]] == ["conflict"]


def test_why_tells_what_it_waits_for_and_since_when_that_is_overdue(house: House):
    moment = {"occurred_at": 1_700_000_000_000_000}
    house.tell(source="energy", key="k", action_id="a-1", state="acknowledged", **moment)

    told = why(house, "action", "energy", "a-1", now="2023-11-14T22:24:20Z")

    assert {one["trigger"] for one in told["waits_for"]} == {"scheduled", "push.completed", "push.failed", "cancelled"}
    assert told["derived"]["deadline"] == {
        "what": "overdue",
        "since": "2023-11-14T22:13:20.000000Z",
        "at": "2023-11-14T22:23:20.000000Z",
        "passed": True,
        "overdue_s": 60.0,
    }


def test_why_of_a_measurement_is_of_its_own_events(house: House, scan):
    house.send("clinic", wms("scan", 8, "LOW_SNR", 12))
    house.send("clinic", wms("scan", 9, "MEASUREMENT_STARTED", 14))
    second, first = house.get("/v1/measurements")["data"]

    settled = house.get(f"/v1/measurements/{first['id']}/why")
    open_one = house.get(f"/v1/measurements/{second['id']}/why", now="2023-11-14T22:14:34Z")

    assert (settled["outcome"], settled["waits_for"], settled["derived"]["deadline"]) == ("canceled", [], None)
    assert [step["type"] for step in settled["chain"]][-1] == "LOW_SNR"
    assert (open_one["state"], [step["position"] for step in open_one["chain"]]) == ("started", [7])
    assert "MEASUREMENT_CREATED" in {one["trigger"] for one in open_one["waits_for"]}
    assert open_one["derived"]["deadline"]["overdue_s"] == 0.0


def test_why_is_asked_of_the_past_too(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    house.send("captions", stop("ann@example.com", "22:10:00"))

    told = why(house, "session", "captions", "ann@example.com-com.example.captions", known_at_position=1)

    assert (told["state"], told["stops"]) == ("active", [])


def test_compare_tells_what_was_learnt_and_which_late_event_taught_it(house: House, scan):
    session = house.get(f"{scan}/compare", known_at_position=3, with_position=5)

    assert (session["from_position"], session["to_position"], session["came"], session["late"]) == (3, 5, 2, 1)
    created, hidden = session["learnt"]
    assert (created["position"], created["late"]) == (4, True)
    assert {"anomalies", "measurements"} <= set(created["changed"])
    assert (hidden["late"], set(hidden["changed"])) == (False, {"regions"})
    assert session["before"]["regions"]["visibility"] == "unknown"
    assert session["after"] | {"derived": {}} == house.get(scan) | {"derived": {}}
    assert set(session["changed"]) == {"regions", "anomalies", "anomaly_counts", "last_at"}


def test_compare_of_a_measurement_and_of_an_action(house: House, scan):
    house.send("energy", pushed("a-1"), key="m-1")
    (measurement,) = house.get("/v1/measurements")["data"]
    action = house.ids.of("action", "energy", "a-1")

    learnt = house.get(f"/v1/measurements/{measurement['id']}/compare", known_at_position=2)
    told = house.get(f"/v1/actions/{action}/compare", known_at_position=0)

    assert (learnt["before"]["state"], learnt["after"]["state"]) == ("started", "scanning")
    assert learnt["changed"]["measurement_id"] == {"before": None, "after": MADE}
    assert [one["position"] for one in learnt["learnt"] if one["changed"]] == [3, 4]
    assert (told["before"], told["after"]["state"], told["came"]) == (None, "completed", 1)


def test_compare_of_one_time_with_itself_is_empty(house: House, scan):
    told = house.get(f"{scan}/compare", known_at_position=3, with_position=3)

    assert (told["changed"], told["learnt"], told["before"]) == ({}, [], told["after"])


def test_compare_refuses_what_makes_no_sense_by_name(house: House, scan):
    assert house.problem(f"{scan}/compare")["parameter"] == "known_at"
    assert house.problem(f"{scan}/compare", known_at_position=4, with_position=3)["parameter"] == "with"
    assert house.problem(f"{scan}/compare?known_at_position=1&with=x")["parameter"] == "with"
    house.problem(f"/v1/sessions/ses_{'a' * 26}/compare", status=404, known_at_position=0)
    span = {"known_at": "2023-11-14T00:00:00Z", "with": "2030-01-01T00:00:00Z"}
    assert house.get(f"{scan}/compare", 200, **span)["came"] == 5


def test_what_was_erased_and_what_was_retracted_keep_their_entries_without_a_word_of_the_sender(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    name = house.ids.of("session", "captions", "ann@example.com-com.example.captions")
    house.send("captions", stop("ann@example.com", "22:05:00"))
    kept = keeper(house.engine, house.code, house.log, lambda: NOON, "command line")
    kept.eraser.erase(kept.eraser.of_streams([name]), "asked for", "ada")
    left = house.get(f"/v1/sessions/{name}/why")
    house.send("captions", start("ann@example.com", "22:20:00"))

    steps = house.get(f"/v1/sessions/{name}/timeline")["data"]
    later = house.get(f"/v1/sessions/{name}/why")
    text = house.client.get(f"/v1/sessions/{name}/timeline?format=text").get_data(as_text=True)

    assert [(step["entry"], step["type"], step["data"]) for step in steps[:2]] == [
        ("erased", "session_request", {}),
        ("erased", "stop_request", {}),
    ]
    assert steps[0]["occurred_at"] == "2023-11-14T22:00:00.000000Z"
    assert (steps[2]["entry"], steps[2]["from"], steps[2]["to"]) == ("event", "stopped", "active")
    assert house.get(f"/v1/sessions/{name}", known_at_position=4)["state"] == "active"
    at = house.get("/v1/events/3")["recorded_at"]
    erased = f"erased at {at} by ada (asked for), as the event at position 3 tells"
    assert steps[0]["reason"] == f"its body was {erased}: what it did stands in the state that is left"
    assert left["erasure"] == later["erasure"] == {"position": 3, "at": at, "by": "ada", "reason": "asked for"}
    assert left["sentence"].startswith(
        f"stopped: what brought it there was {erased}; states, outcomes, runs and times are left of it"
    )
    assert later["sentence"].startswith("active: session_request at 22:20:00 while stopped")
    assert f"; what came before was {erased}" in later["sentence"]
    assert text.startswith(later["sentence"])
