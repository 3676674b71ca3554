"""One thing's page: where it stands, why, its timeline, and what it was."""

import io
import zipfile
from typing import Any

import pytest

from adapters.sql import TemporalReads, keeper
from core.clocks import Clocks
from tests.console.conftest import Desk
from tests.console.test_pages import SCAN, scan
from tests.support.audited import SIGNING
from tests.support.house import NOON, SECOND, pushed, start, stop, wms

REGISTERED = {
    "type": "server_registration",
    "registrationId": "r-1",
    "sessionId": "s-1",
    "userId": "ann@example.com",
    "timestamp": "2023-11-14T22:13:20.000Z",
    "packageName": "com.example.captions",
    "serverUrls": [],
}


def page_of(desk: Desk, kind: str) -> str:
    return f"/{kind}/{desk.get(f'/v1/{kind}')['data'][0]['id']}"


def looks(page: object, name: str) -> int:
    return str(page.markup).count(f'class="{name}"')  # type: ignore[attr-defined]


def test_a_session_shows_its_machine_with_the_path_taken_and_what_it_waits_for(one_desk: Desk):
    scan(one_desk)

    page = one_desk.look(page_of(one_desk, "sessions"))

    taken = "waiting → loaded → configured → camera_granted → camera_on → started → created → scanning"
    assert f"The path taken: {taken}. The present state: scanning." in page.text
    assert looks(page, "arc taken") == 7
    assert looks(page, "state present") == 1
    assert "SCAN_COMPLETED would lead to analyzing" in page.text
    assert "CAMERA_STARTED (position" in page.text


def test_a_gap_a_late_arrival_and_a_new_run_stand_in_the_timeline(one_desk: Desk):
    scan(one_desk)
    path = page_of(one_desk, "sessions")
    open_ = one_desk.look(path)
    one_desk.send(
        "clinic", wms("visit-1", 8, "INTERMEDIATE_RESULTS", 8, measurementId="m-1", resultSequence=2, snr=4.0)
    )
    one_desk.send("clinic", wms("visit-1", 0, "WMS_LOADED", 60))
    closed = one_desk.look(path)

    assert looks(open_, "gap") == looks(open_, "lane-gap") == 1
    assert "8" in open_.text[open_.text.index("gap") :]
    assert looks(closed, "gap") == looks(closed, "lane-gap") == 0
    assert looks(closed, "lane-run") == 1
    assert "late" in closed.text
    assert "Run 2" in closed.text


def test_a_measurement_that_has_not_ended_is_told_neither_as_over_nor_as_complete(one_desk: Desk):
    for number, event in enumerate((*SCAN[:5], "MEASUREMENT_STARTED")):
        one_desk.send("clinic", wms("visit-1", number, event, number))
    left = next(one for one in one_desk.get("/v1/measurements")["data"] if one["started_at"].endswith("24.000000Z"))
    path = f"/measurements/{left['id']}"

    page, report, rows = (one_desk.look(at) for at in (path, f"{path}/report", "/measurements"))

    assert (left["state"], left["ended_at"], left["complete"]) == ("started", None, True)
    assert "it is over" not in page.text
    assert "What it waits for Nothing: it has not ended, but its session is no longer in it." in page.text
    for told in (page, report):
        assert "Complete no number is missing so far; it has not ended" in told.text
    assert "so far" in rows.text


def test_a_report_on_paper_says_its_zone_and_the_key_that_signed(one_desk: Desk):
    scan(one_desk)
    (measurement,) = one_desk.get("/v1/measurements")["data"]

    report = one_desk.look(f"/measurements/{measurement['id']}/report")

    assert report.text.count("All times are UTC.") == 2
    assert f"by another way. {SIGNING.key}" in report.text


def test_a_report_of_the_past_says_how_much_came_later_and_of_when_its_signed_statement_is(one_desk: Desk):
    scan(one_desk)
    (measurement,) = one_desk.get("/v1/measurements")["data"]

    report = one_desk.look(f"/measurements/{measurement['id']}/report", as_of="2023-11-14 22:13:26")

    assert "by 2023-11-14 22:13:26 UTC . 2 events of this measurement came or happened later; the signed" in report.text
    assert "Printed from the page of 2023-11-14 22:15:20 UTC." in report.text


def test_what_was_erased_is_told_as_erased_on_every_page(desk: Desk):
    scan(desk)
    desk.send("captions", start("ann@example.com"))
    eraser = keeper(desk.engine, desk.code, desk.log, lambda: NOON, "command line").eraser
    eraser.erase(eraser.of_streams([desk.ids.of("session", "clinic", "visit-1")]), "asked for")
    (measurement,) = desk.get("/v1/measurements")["data"]
    erasure = measurement["erased"]

    session = desk.look(f"/sessions/{measurement['session']}")
    report = desk.look(f"/measurements/{measurement['id']}/report")
    event, kept = desk.look("/events/1"), desk.look(f"/events/{erasure - 1}")

    assert "No event has moved it" not in session.text
    assert f"by local (asked for), as event {erasure} tells." in session.text
    assert "never given an id" not in report.text
    assert "its id was erased" in report.text
    assert f"bodies of it are gone, as event {erasure} tells" in report.text
    whole = "Events of the whole visit: which of the erased ones belong to this measurement was erased."
    page = desk.look(f"/measurements/{measurement['id']}")
    assert [one.text.count(whole) for one in (page, report, session)] == [1, 1, 0]
    assert report.text.count("WMS_LOADED erased") == 1
    assert "What it said was erased at" in event.text
    assert f", as event {erasure} tells." in event.text
    assert "Show the body" not in event.text
    assert "Show the body" in kept.text
    assert [desk.get(f"/v1/events/{at}")["erased"] for at in (1, erasure - 1)] == [erasure, None]


def test_every_event_opens_to_its_clocks_its_rule_and_what_verified_it(one_desk: Desk):
    scan(one_desk)

    page = one_desk.look(page_of(one_desk, "sessions"))
    opened = page.text[page.text.index("Event 2") :]

    for words in (
        "Occurred 2023-11-14",
        "Received 2023-11-14",
        "Recorded 2023-11-14",
        "Rule",
        "Verified by env:SECRET",
    ):
        assert words in opened
    assert page.markup.count("<details>") == 9


def test_a_long_timeline_goes_on_page_by_page(one_desk: Desk):
    scan(one_desk)
    for number in range(10, 70):
        one_desk.send("clinic", wms("visit-1", number, "INTERMEDIATE_RESULTS", number, measurementId="m-1"))

    first = one_desk.look(page_of(one_desk, "sessions"))
    (following,) = [attrs["href"] or "" for tag, attrs in first.tags if attrs.get("rel") == "next"]
    second = one_desk.look(following.partition("#")[0])

    told = [page.markup.count("<details>") for page in (first, second)]
    assert sum(told) == 69
    assert max(told) <= 50


def test_a_session_of_glasses_tells_how_its_runs_ended(one_desk: Desk):
    one_desk.send("captions", start("ann@example.com"))
    one_desk.send("captions", stop("ann@example.com"))

    page = one_desk.look(page_of(one_desk, "sessions"))

    assert "Run 1: no start is known within 10 s" in page.text
    assert "10 min" in page.text


def test_a_measurement_shows_its_signal_with_the_hole_in_it(one_desk: Desk):
    scan(one_desk)

    page = one_desk.look(page_of(one_desk, "measurements"))

    assert "Signal-to-noise ratio in decibels over 3 chunks, from 3 to 4.5." in page.text
    assert page.markup.count("<polyline") == 1  # chunks 0 and 1; 3 stands alone
    assert "chunk 3: 4.5 dB" in page.text
    assert "SNR in dB chunk Chunk 2 has not come" in page.text
    assert "In a shaded band no signal is known: chunk 2 has not come." in page.text
    assert "no: numbers of its part of the sequence are missing: 8 Started" in page.text
    assert "MEASUREMENT_CREATED" in page.text


def test_what_a_measurement_lacks_stands_on_its_page_its_report_and_in_rows(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0, "MEASUREMENT_STARTED"))
    for number in (4, *range(6, 26, 2)):
        one_desk.send("clinic", wms("visit-1", number, "INTERMEDIATE_RESULTS", number, measurementId="m"))
    path = page_of(one_desk, "measurements")

    pages = [one_desk.look(at).text for at in (path, f"{path}/report")]
    rows = [one_desk.look(at).text for at in ("/measurements", page_of(one_desk, "sessions"))]

    assert all("are missing: 1-3, 5, 7, 9, 11, 13, 15, 17 and 3 gaps more" in told for told in pages)
    assert "no: 1-3, 5, 7 and 8 gaps more" in rows[0]
    assert "incomplete: 1-3, 5, 7 and 8 gaps more missing" in rows[1]


def test_the_evidence_of_a_measurement_is_downloaded_as_the_api_gives_it(one_desk: Desk):
    scan(one_desk)

    answer = one_desk.post(f"{page_of(one_desk, 'measurements')}/evidence")

    assert (answer.status_code, answer.mimetype) == (200, "application/zip")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "verify.py" in " ".join(zipfile.ZipFile(io.BytesIO(answer.data)).namelist())


def test_an_action_and_its_device_lead_to_each_other(one_desk: Desk):
    one_desk.send("energy", pushed("a-1", errorCode="E7"), key="1")
    action, device = page_of(one_desk, "actions"), page_of(one_desk, "devices")

    assert device in one_desk.look(action).all("a", "href")
    assert action in one_desk.look(device).all("a", "href")
    assert "charge.start" in one_desk.look(action).text
    assert "Run 0" not in one_desk.look(action).text


def test_the_past_is_shown_as_such_with_what_was_learnt_since(desk: Desk):
    scan(desk)
    path = page_of(desk, "sessions")
    early = desk.get("/v1/events/3")["recorded_at"]

    past = desk.look(path, known_at=early)
    before = desk.look(path, as_of="2023-11-14 22:13:21")

    assert "This is the past: as it was known here at" in past.text
    assert "The present state: camera_granted." in past.text
    told = "Learnt since: 6 events; the state became scanning (it was camera_granted); new anomalies: gap."
    assert told in past.text.partition("Why")[0]
    assert "The present state: configured." in before.text
    since = before.text[before.text.index("What happened since", before.text.index("Its machine")) :]
    assert "CAMERA_PERMISSION_GRANTED (position 3 ) configured → camera_granted" in since
    assert "CONFIGURATION_LOADED (position" not in since
    assert "What was learnt since" not in desk.look(path).text


def test_what_came_late_is_told_as_changing_what_was_known_about_the_past(one_desk: Desk):
    scan(one_desk)
    path, early = page_of(one_desk, "sessions"), one_desk.get("/v1/events/9")["recorded_at"]
    chunk = {"measurementId": "m-1", "resultSequence": 2, "snr": 4.0}
    one_desk.send("clinic", wms("visit-1", 8, "INTERMEDIATE_RESULTS", 8, **chunk))
    one_desk.send("clinic", wms("visit-1", 10, "PAGE_UNLOADED", 10))

    past = one_desk.look(path, known_at=early)

    told = "2 events, 1 of them late, which changed what was known about the past; the state became abandoned"
    rest = "the outcome became abandoned; new anomalies: late; anomalies that are gone: gap."
    assert f"{told} (it was scanning); {rest}" in past.text
    folded = past.markup[past.markup.index('<details id="difference">') :]
    assert "<summary>The difference as JSON</summary>" in folded
    assert 'aria-label="Table: what changed"' in folded.partition("</details>")[0]


def test_a_page_of_the_past_reads_each_history_once(one_desk: Desk, monkeypatch: pytest.MonkeyPatch):
    scan(one_desk)
    path, early = page_of(one_desk, "sessions"), one_desk.get("/v1/events/3")["recorded_at"]
    asked: list[tuple[str, Clocks]] = []
    read = TemporalReads._history

    def noted(past: TemporalReads, name: str, clocks: Clocks) -> Any:
        asked.append((name, clocks))
        return read(past, name, clocks)

    monkeypatch.setattr(TemporalReads, "_history", noted)
    one_desk.look(path, known_at=early)

    assert asked
    assert len(asked) == len(set(asked))


def test_a_time_is_taken_in_the_readers_zone_where_it_is_told(one_desk: Desk):
    scan(one_desk)

    page = one_desk.look(page_of(one_desk, "sessions"), as_of="2023-11-14 23:13:21+01:00")

    assert "The present state: configured." in page.text


@pytest.mark.parametrize(
    ("field", "typed", "status", "kept", "said"),
    [
        ("known_at", "noon", 400, "noon", "Known here by: this is no time."),
        (
            "known_at",
            "2023-11-14 23:00",
            400,
            "2023-11-14 23:00:00",
            "by: that is still to come. It is 2023-11-14 22:15",
        ),
        ("as_of", "22:15:21", 400, "2023-11-14 22:15:21", "Happened by: that is still to come."),
        (
            "known_at",
            "2023-11-14",
            404,
            "2023-11-14 00:00:00",
            "by: first heard of at 2023-11-14 22:13:20 UTC ; nothing",
        ),
        ("as_of", "22:13", 404, "2023-11-14 22:13:00", "by: its first event happened at 2023-11-14 22:13:20 UTC ; not"),
    ],
)
def test_a_past_that_cannot_be_shown_is_told_beside_its_field_and_no_other_state_is_shown(
    one_desk: Desk, field: str, typed: str, status: int, kept: str, said: str
):
    scan(one_desk)

    for kind in ("sessions", "measurements"):
        page = one_desk.look(page_of(one_desk, kind), status, **{field: typed})

        (taken,) = [attrs for tag, attrs in page.tags if tag == "input" and attrs.get("name") == field]
        assert (taken["value"], taken["aria-describedby"]) == (kept, f"{field}-fault")
        assert said.partition("22:13:20")[0] in page.text
        assert "scanning" not in page.text


def test_a_time_alone_is_of_the_last_events_day(one_desk: Desk):
    scan(one_desk)

    page = one_desk.look(page_of(one_desk, "sessions"), as_of="22:13:21")

    assert "This is the past: what had happened by 2023-11-14 22:13:21 UTC" in page.text
    assert "The present state: configured." in page.text


def test_each_time_in_the_sentence_has_its_instant(one_desk: Desk):
    scan(one_desk)
    path = page_of(one_desk, "sessions")

    page = one_desk.look(path)

    sentence = page.markup[page.markup.index('class="sentence"') :].partition("</p>")[0]
    told = one_desk.get(f"/v1{path}/why")
    assert f'at <time datetime="{told["chain"][-1]["occurred_at"]}">' in sentence
    assert f'until <time datetime="{told["derived"]["deadline"]["at"]}">' in sentence


def test_the_same_anomaly_is_told_once_with_every_position(one_desk: Desk):
    for number, name in (2, "CAMERA_STARTED"), (1, "CONFIGURATION_LOADED"), (0, "WMS_LOADED"):
        one_desk.send("clinic", wms("visit-1", number, name, number))

    page = one_desk.look(page_of(one_desk, "sessions"))

    assert "late ×2 arrived after an event that follows it in sequence ( 2 , 3 )" in page.text


def test_what_is_overdue_is_told_with_its_beginning(one_desk: Desk):
    scan(one_desk)
    path = page_of(one_desk, "sessions")

    overdue, waits = one_desk.look(path), one_desk.look(path, as_of="2023-11-14 22:13:29")

    assert '<span class="tag warn">overdue since <time datetime="2023-11-14T22:14:29' in overdue.markup
    assert "Overdue at 2023-11-14 22:14:29" in waits.text


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("sessions", "overdue since 2023-11-14 22:14:29"),
        ("actions", "overdue since 2023-11-14 22:23:20"),
        ("registrations", "silent since 2023-11-14 22:18:20"),
    ],
)
def test_what_is_due_says_since_when_in_its_facts_and_in_every_row(one_desk: Desk, kind: str, told: str):
    scan(one_desk)
    one_desk.tell(source="energy", key="k", action_id="a-1", state="acknowledged", occurred_at=NOON)
    one_desk.send("captions", REGISTERED)
    object.__setattr__(one_desk.api, "clock", lambda: NOON + 3600 * SECOND)

    row, facts = one_desk.look(f"/{kind}"), one_desk.look(page_of(one_desk, kind))

    assert told in row.text.partition("Anomalies")[2]
    assert told in facts.text.partition("State")[2].partition("Source")[0]
    assert "Overdue yes" not in facts.text
    assert "Silent yes" not in facts.text


def test_a_silent_source_is_told_with_when_it_was_heard_last(one_desk: Desk):
    scan(one_desk)
    heard = one_desk.get("/v1/events/9")["received_at"]
    object.__setattr__(one_desk.api, "clock", lambda: NOON + 2 * 86_400 * SECOND)

    assert f'<span class="tag warn">silent since <time datetime="{heard}"' in one_desk.look("/").markup


def test_what_ended_a_visit_is_told_in_words_beside_its_name(one_desk: Desk):
    scan(one_desk)
    assert "PAGE_UNLOADED :" not in one_desk.look(page_of(one_desk, "sessions")).text
    one_desk.send("clinic", wms("visit-1", 20, "PAGE_UNLOADED", 20))

    for kind, rest in ("sessions", ""), ("measurements", ""), ("measurements", "/report"):
        told = one_desk.look(f"{page_of(one_desk, kind)}{rest}").text
        assert "PAGE_UNLOADED : the visitor closed the page, left it or loaded it anew." in told.partition("Source")[0]


@pytest.mark.parametrize(
    ("kind", "position", "state"), [("sessions", 3, "camera_granted"), ("measurements", 7, "scanning")]
)
def test_a_past_tells_what_was_known_before_what_was_learnt_since(one_desk: Desk, kind: str, position: int, state: str):
    scan(one_desk)
    recorded = one_desk.get(f"/v1/events/{position}")["recorded_at"]

    text = one_desk.look(page_of(one_desk, kind), known_at=recorded).text

    assert text.index(f"{state}: ") < text.index("What was learnt since")
