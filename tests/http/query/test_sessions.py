"""Sessions as people ask for them."""

from typing import Any

import pytest

from tests.support.house import House, pushed, start, stop, wms

FIELDS = {
    *(
        "id",
        "source",
        "provider",
        "session_id",
        "user_id",
        "state",
        "regions",
        "outcome",
        "run",
        "runs",
        "anomalies",
        "anomaly_counts",
    ),
    "run_count",
    *("unsigned", "events", "position", "first_at", "last_at", "erased", "derived", "machine"),
    "data",
}


def test_a_session_is_told_with_every_promised_field(house: House):
    house.send("captions", start("ann@example.com"))

    (session,) = house.get("/v1/sessions")["data"]

    assert set(session) == FIELDS
    assert session["session_id"] == "ann@example.com-com.example.captions"
    assert (session["source"], session["provider"], session["user_id"]) == ("captions", "mentraos", "ann@example.com")
    assert (session["state"], session["outcome"], session["run"]) == ("active", None, 1)
    assert (session["unsigned"], session["events"], session["position"]) == (True, 1, 1)
    assert session["first_at"] == session["last_at"] == "2023-11-14T22:00:00.000000Z"
    assert set(session["machine"]) == {"name", "fingerprint"}
    assert session["data"]["mentraos_websocket_url"] == "wss://cloud.example.com/app-ws"


def test_our_id_finds_it_again_and_holds_nothing_personal(house: House):
    house.send("captions", start("ann@example.com"))
    (listed,) = house.get("/v1/sessions")["data"]

    session = house.get(f"/v1/sessions/{listed['id']}")

    assert session == listed
    assert session["id"] == house.ids.of("session", "captions", "ann@example.com-com.example.captions")
    assert session["id"].startswith("ses_")


def test_a_run_is_told_with_every_promised_field(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    house.send("captions", stop("ann@example.com", "22:10:00", "system_stop"))
    (session,) = house.get("/v1/sessions")["data"]

    page = house.get(f"/v1/sessions/{session['id']}/runs")

    assert page["data"] == session["runs"]
    assert page["data"] == [
        {
            "run": 1,
            "started_at": "2023-11-14T22:00:00.000000Z",
            "ended_at": "2023-11-14T22:10:00.000000Z",
            "ended_by": "stop_request",
            "reason": "system_stop",
            "duration_s": 600.0,
            "restarted": False,
        }
    ]


def test_a_session_shows_its_newest_20_runs_a_list_the_last_one_and_runs_all(house: House):
    for minute in range(23):
        house.send("captions", start("ann@example.com", f"22:{minute:02}:00"))
        house.send("captions", stop("ann@example.com", f"22:{minute:02}:30"))

    (listed,) = house.get("/v1/sessions")["data"]
    session = house.get(f"/v1/sessions/{listed['id']}")
    paged = house.get(f"/v1/sessions/{listed['id']}/runs", limit=100)["data"]

    assert (listed["run"], listed["run_count"], session["run_count"]) == (23, 23, 23)
    assert [run["run"] for run in listed["runs"]] == [23]
    assert session["runs"] == paged[-20:]
    assert [run["run"] for run in paged] == list(range(1, 24))


def test_a_session_without_a_run_counts_none(house: House):
    house.send("captions", stop("ann@example.com"))

    (listed,) = house.get("/v1/sessions")["data"]

    assert (listed["run_count"], listed["runs"]) == (0, [])
    assert house.get(f"/v1/sessions/{listed['id']}")["runs"] == []


@pytest.mark.parametrize("clocks", [{}, {"known_at": "2100-01-01T00:00:00Z"}], ids=["present", "past"])
def test_sessions_are_found_by_the_outcome_of_their_present_run(house: House, clocks):
    house.send("clinic", wms("left", 0, "WMS_LOADED"))
    house.send("clinic", wms("left", 1, "PAGE_UNLOADED"))
    house.send("clinic", wms("open", 0, "WMS_LOADED"))
    house.send("captions", start("ann@example.com"))

    def found(outcome: str) -> list[str]:
        return [one["session_id"] for one in house.get("/v1/sessions", outcome=outcome, **clocks)["data"]]

    assert found("abandoned") == ["left"]
    assert found("completed") == []


def test_the_regions_of_a_scan_are_told_apart(house: House):
    house.send("clinic", wms("scan", 0, "WMS_LOADED"))
    house.send("clinic", wms("scan", 1, "PAGE_VISIBILITY_CHANGE", state="HIDDEN"))

    (session,) = house.get("/v1/sessions")["data"]

    assert session["state"] == "loaded"
    assert session["regions"] == {"measurement": "loaded", "connection": "unknown", "visibility": "hidden"}
    assert (session["unsigned"], session["machine"]["name"]) == (False, "measurement")


def test_every_filter_leaves_what_it_says(house: House):
    house.send("captions", start("ann@example.com", "21:00:00"))
    house.send("captions", start("bob@example.com", "22:00:00"))
    house.send("captions", stop("bob@example.com", "22:10:00"))
    house.send("older", start("ann@example.com", "22:30:00", package="com.example.other"))
    house.send("clinic", wms("scan", 3, "WMS_LOADED"))

    def found(**filters: Any) -> list[str]:
        return [f"{one['source']} {one['user_id']}" for one in house.get("/v1/sessions", **filters)["data"]]

    ann, bob, older, clinic = (
        "captions ann@example.com",
        "captions bob@example.com",
        "older ann@example.com",
        "clinic None",
    )
    assert found() == [clinic, older, bob, ann]
    assert found(source="captions") == [bob, ann]
    assert found(provider="augmentos") == [older]
    assert found(provider="augmentos", source="captions") == []
    assert found(state="stopped") == [bob]
    assert found(user_id="ann@example.com") == [older, ann]
    assert found(session_id="bob@example.com-com.example.captions") == [bob]
    assert found(session_id="bob@example.com-com.example.captions", source="older") == []
    assert found(anomaly="gap") == [clinic]
    assert found(anomaly="wrong_package") == [older]
    assert found(since="2023-11-14T22:10:00Z") == [clinic, older, bob]
    assert found(until="2023-11-14T22:00:00Z") == [ann]
    assert found(since="2023-11-14T22:05:00Z", until="2023-11-14T22:10:00Z") == [bob]
    assert found(since="2023-11-15T00:05:00+02:00", until="2023-11-14T22:10:00Z") == [bob]
    assert found(changed_after="3") == [clinic, older]
    assert found(changed_after="0") == found()


def test_anomalies_name_their_kind_their_event_and_what_is_wrong(house: House):
    house.send("clinic", wms("scan", 0, "WMS_LOADED"))
    house.send("clinic", wms("scan", 3, "CAMERA_STARTED"))

    (session,) = house.get("/v1/sessions", anomaly="gap")["data"]

    gap = next(anomaly for anomaly in session["anomalies"] if anomaly["kind"] == "gap")
    assert gap == {"kind": "gap", "position": 2, "detail": "sequence 1-2 missing"}


def test_the_events_of_a_session_are_told_by_position_and_its_timeline_in_canonical_order(house: House):
    house.send("clinic", wms("scan", 0, "WMS_LOADED"))
    house.send("clinic", wms("scan", 2, "PAGE_UNLOADED"))
    house.send("clinic", wms("other", 0, "WMS_LOADED"))
    house.send("clinic", wms("scan", 1, "CONFIGURATION_LOADED"))
    session = house.get("/v1/sessions", session_id="scan")["data"][0]

    events = house.get(f"/v1/sessions/{session['id']}/events")["data"]
    steps = house.get(f"/v1/sessions/{session['id']}/timeline")["data"]

    assert [event["position"] for event in events] == [1, 2, 4]
    assert [event["session_id"] for event in events] == ["scan"] * 3
    assert [step["position"] for step in steps] == [1, 4, 2]
    assert [(step["from"], step["to"]) for step in steps] == [
        ("waiting", "loaded"),
        ("loaded", "configured"),
        ("configured", "abandoned"),
    ]
    assert [anomaly["kind"] for anomaly in steps[1]["anomalies"]] == ["late"]
    assert [event["position"] for event in house.get(f"/v1/sessions/{session['id']}/events", after=2)["data"]] == [4]


def test_a_step_tells_the_rule_or_why_nothing_moved(house: House):
    house.send("captions", start("ann@example.com"))
    house.send("captions", {**start("ann@example.com", "22:01:00"), "type": "unheard_of"})
    (session,) = house.get("/v1/sessions")["data"]

    moved, unmoved = house.get(f"/v1/sessions/{session['id']}/timeline")["data"]

    assert (moved["from"], moved["to"], moved["reason"]) == ("idle", "active", None)
    assert moved["rule"].startswith("session_request")
    assert (unmoved["from"], unmoved["to"], unmoved["rule"]) == ("active", "active", None)
    assert unmoved["reason"]
    assert [anomaly["kind"] for anomaly in unmoved["anomalies"]] == ["unknown_type"]


def test_what_depends_on_the_time_is_asked_with_now(house: House):
    house.send("captions", start("ann@example.com", "22:00:00"))
    (session,) = house.get("/v1/sessions")["data"]

    later = house.get(f"/v1/sessions/{session['id']}", now="2023-11-14T23:00:00Z")

    assert session["derived"]["open_for_s"] == 800.0
    assert later["derived"]["open_for_s"] == 3600.0


@pytest.mark.parametrize("path", ["", "/events", "/timeline", "/runs"])
def test_an_id_that_does_not_exist_is_not_found(house: House, path):
    house.send("energy", pushed("a-1"), key="m-1")
    (action,) = house.get("/v1/actions")["data"]

    unknown = "ses_" + "a" * 26
    for name in [
        unknown,
        action["id"],
        "ses_",
        "ses_" + "A" * 26,
        "..",
        "%00",
        "é",
        "ses_" + "a" * 26 + "%0A",
        "a" * 5000,
    ]:
        assert house.problem(f"/v1/sessions/{name}{path}", status=404)["title"] == "Not Found"


def test_a_source_that_is_no_longer_configured_keeps_its_sessions(database_url):
    before = House(database_url)
    before.send("captions", start("ann@example.com"))
    after = House(database_url, configured=("clinic",))

    (session,) = after.get("/v1/sessions")["data"]

    assert (session["source"], session["provider"]) == ("captions", None)
    assert after.get(f"/v1/sessions/{session['id']}") == session
    assert after.get("/v1/sessions", session_id=session["session_id"])["data"] == [session]
    assert after.get(f"/v1/sessions/{session['id']}/timeline")["data"] == []
    before.close()
    after.close()
