"""Every page is shown whole, of the API's own answers, and nothing that a sender wrote is markup on it."""

import re
from typing import Any

import pytest

from adapters.sql import Rejection, Unavailable
from core.event import ANOMALIES, READINGS
from tests.console.conftest import Desk
from tests.support.house import NOON, SECOND, pushed, start, stop, wms
from tests.support.relayed import to_relay

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}javascript:alert(1)"
CHOICES = {
    "verdict": ("new", "duplicate", "conflict", "rejected"),
    "reading": READINGS,
    "anomaly": ANOMALIES,
    "provider": ("wms", "amps"),
    **dict.fromkeys(("overdue", "presumed_ended", "silent"), ("true", "false")),
}
LISTS = ("sessions", "measurements", "actions", "devices", "registrations", "deliveries", "events")
SCAN = (
    *("WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"),
    "MEASUREMENT_CREATED",
)


def scan(desk: Desk, session: str = "visit-1", measurement: str = "m-1") -> None:
    """A scan that goes on, one of whose chunks did not come."""
    for number, event in enumerate(SCAN):
        desk.send("clinic", wms(session, number, event, number, measurementId=measurement))
    for number in (6, 7, 9):
        chunk = {"measurementId": measurement, "sequence": number - 6, "snr": 0.5 * number}
        desk.send("clinic", wms(session, number, "INTERMEDIATE_RESULTS", number, **chunk))


def filled(desk: Desk, word: str = "x") -> None:
    """Something on every page; `word` in every field that a sender may fill."""
    scan(desk, f"visit {word}", f"m {word}")
    desk.send("captions", start(f"{word}@example.com"))
    desk.send("captions", stop(f"{word}@example.com", reason=word))
    desk.send("energy", pushed(f"a {word}", f"car {word}", result={word: word}, deviceType=word, command=word), key="1")
    body = {"registrationId": f"r {word}", "sessionId": word, "userId": word, "serverUrls": [word]}
    times = {"timestamp": "2023-11-14T22:00:00.000Z", "packageName": word}
    desk.send("captions", {"type": "server_registration", **body, **times})
    desk.reject(reason="signature_missing", hint=word)


def places(desk: Desk) -> list[str]:
    """A page of each kind."""
    kinds = ("sessions", "measurements", "actions", "devices", "registrations")
    things = [f"/{kind}/{one['id']}" for kind in kinds for one in desk.get(f"/v1/{kind}")["data"]]
    report = f"{next(path for path in things if path.startswith('/measurements/'))}/report"
    return ["/", *(f"/{name}" for name in LISTS), *things, report, "/events/1", "/machines", "/replays"]


def test_every_page_is_shown_whole_and_leads_to_pages_that_are_there(desk: Desk):
    filled(desk)

    pages = {path: desk.look(path) for path in places(desk)}

    links = {href.partition("#")[0] for page in pages.values() for href in page.all("a", "href")}
    assert len(pages) > 15
    assert {href for href in links if href and desk.client.get(href).status_code != 200} == set()
    for page in pages.values():
        assert [one for one, _ in page.tags if one in {"script", "style", "iframe"}] == ["script"]
        assert page.all("script", "src") == ["/console/console.js"]
        assert [name for _, attrs in page.tags for name in attrs if name.startswith("on") or name == "style"] == []


def test_what_senders_wrote_is_text_on_every_page(one_desk: Desk):
    filled(one_desk, HOSTILE)

    for path in places(one_desk):
        page = one_desk.look(path)
        assert page.markup.count("<script") == 1, path
        assert "<img" not in page.markup, path
        assert not any(href.startswith("javascript:") for href in page.all("a", "href"))
    assert HOSTILE in one_desk.look("/sessions").text
    assert HOSTILE in one_desk.look("/deliveries").text


def test_every_field_has_a_label_every_page_its_landmarks_and_every_id_is_there_once(one_desk: Desk):
    filled(one_desk)

    for path in places(one_desk):
        page = one_desk.look(path)
        fields = [attrs for tag, attrs in page.tags if tag in {"input", "select"} and attrs.get("type") != "hidden"]
        ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
        assert {attrs.get("id") for attrs in fields} <= set(page.all("label", "for")), path
        assert {"header", "main", "nav", "footer", "h1", "title"} <= {tag for tag, _ in page.tags}
        assert page.all("html", "lang") == ["en"]
        assert len(ids) == len(set(ids)), path
        assert set(page.all("svg", "aria-labelledby")) <= set(ids)
        labels = page.all("div", "aria-label")
        assert len(labels) == len(set(labels)), path
        assert all(
            label.startswith(("Table: ", "Picture: ")) for label in labels
        )  # a section around it has the plain name


def test_an_empty_log_says_how_the_first_webhook_comes(one_desk: Desk):
    empty = one_desk.look("/")
    one_desk.send("clinic", wms("visit-1", 0))

    assert "Nothing has come yet" in empty.text
    assert "curl <first>" in empty.text
    assert "simulate --source clinic" in empty.text
    assert "curl" not in one_desk.look("/").text


def test_the_overview_tells_what_was_not_read_and_what_was_not_delivered(desk: Desk):
    for number in range(2):
        desk.send("clinic", wms("s", number, "NEVER_HEARD_OF"))
    for name in ("ann", "ben"):
        to_relay(desk, "captions", start(f"{name}@example.com"))
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE relays SET dead_at = 1, due = NULL WHERE position = 3")

    page = desk.look("/")

    assert "Bodies not read 2" in page.text
    assert "Deliveries given up 1" in page.text
    assert "clinic unknown_type 2" in page.text
    assert "/events?source=clinic&reading=unknown_type" in page.all("a", "href")
    assert desk.look("/events", source="clinic", reading="unknown_type").text.count("NEVER_HEARD_OF") == 2


def test_the_overview_counts_states_outcomes_and_refusals(desk: Desk):
    filled(desk)
    desk.reject(reason="signature_wrong", hint="an old secret")

    page = desk.look("/")

    assert "clinic scanning 1" in page.text
    assert "captions stopped 1" in page.text
    assert "energy completed 1" in page.text
    assert "Outcomes of the last day Kind" not in page.text
    desk.send("clinic", wms("visit x", 20, "LOW_SNR", 20, measurementId="m x"))
    assert "measurement clinic canceled 1" in desk.look("/").text
    assert "clinic signature_wrong 1 2023-11-14" in page.text
    assert "States behind the log by 0 positions" in page.text


def test_each_cause_in_the_funnel_leads_to_its_own_sessions(desk: Desk):
    for number, kind in enumerate(["LOW_SNR", "CONSTRAINT_VIOLATION", "MEASUREMENT_CANCELED", "WMS_LOADED"]):
        desk.send("clinic", wms(f"visit-{number}", 0, "MEASUREMENT_STARTED"))
        desk.send("clinic", wms(f"visit-{number}", 1, kind, 1))

    page = desk.look("/")

    links = [href for href in page.all("a", "href") if "last_step=started" in href]
    assert "1 signal too weak" in page.text
    assert [link.rpartition("=")[2] for link in links] == [
        "nothing",
        "CONSTRAINT_VIOLATION",
        "LOW_SNR",
        "MEASUREMENT_CANCELED",
    ]
    for link, number in zip(links, (3, 1, 0, 2), strict=True):
        assert re.findall(r"visit-\d", desk.look(link).text) == [f"visit-{number}"]


def test_the_row_of_a_source_tells_what_was_rejected_and_what_was_not_read(desk: Desk):
    desk.send("clinic", wms("s", 0, "NEVER_HEARD_OF"))
    desk.send("clinic", b"not JSON")
    for reason in ("signature_wrong", "signature_missing"):
        desk.reject(reason=reason)

    page = desk.look("/")

    rows = page.text.partition("Silent Rejected Not read")[2]
    assert " no 2 1 unknown_type 1 undecodable " in rows.partition("clinic wms")[2]
    assert "captions mentraos never silent after 1 d 0 none " in rows
    links = page.all("a", "href")
    assert links.count("/events?source=clinic&reading=undecodable") >= 2
    assert links.count("/deliveries?source=clinic&verdict=rejected") == 1
    assert links.count("/deliveries?source=clinic&verdict=rejected&reason=signature_wrong") == 1


def test_the_overview_says_of_each_reason_how_many_since_when_and_why_and_leads_to_those_alone(desk: Desk):
    for minute, (reason, hint) in enumerate([("stale", "a day ago"), ("stale", "412 s ago"), ("too_large", "")]):
        desk.log.append([Rejection("clinic", NOON + minute * 60 * SECOND, [], b"", 0, 401, reason, hint)])

    page = desk.look("/")

    assert "Rejected deliveries 3 2023-11-14 22:13:20 to 2023-11-14 22:15:20" in page.text
    assert "clinic stale 2 2023-11-14 22:13:20 2023-11-14 22:14:20 412 s ago" in page.text
    (link,) = [href for href in page.all("a", "href") if "reason=stale" in href]
    listed = desk.look(link).text
    assert listed.count("s ago") + listed.count("day ago") == 2
    assert "too_large" not in listed.partition("Received")[2]


def test_filters_stand_in_the_address_and_an_empty_field_asks_nothing(desk: Desk):
    for name in ("ann", "ben"):
        desk.send("captions", start(f"{name}@example.com"))
    desk.send("captions", stop("ann@example.com"))
    (stopped,) = desk.get("/v1/sessions", state="stopped")["data"]

    page = desk.look("/sessions", state="stopped", source="", since="2023-11-14 22:00", until="2023-11-15")

    assert [href for href in page.all("a", "href") if "/ses_" in href] == [f"/sessions/{stopped['id']}"]
    assert [attrs.get("value") for tag, attrs in page.tags if attrs.get("name") == "since"] == ["2023-11-14 22:00:00"]


@pytest.mark.parametrize("name", LISTS)
def test_every_choice_that_a_form_offers_is_one_that_the_list_takes(one_desk: Desk, name: str):
    page = one_desk.look(f"/{name}")
    fields = [attrs["name"] or "" for tag, attrs in page.tags if tag in {"select", "input"} and "name" in attrs]
    asked: dict[str, Any] = {
        field: "2023-11-14 22:14" for field in fields if field in {"since", "until", "as_of", "known_at"}
    }

    for choice, values in CHOICES.items():
        for value in values if choice in fields else ():
            one_desk.page(one_desk.client.get(f"/{name}", query_string={choice: value}), 200)
    one_desk.look(f"/{name}", **asked)


def test_a_list_goes_on_page_by_page(one_desk: Desk):
    for number in range(25):
        one_desk.send("energy", pushed(f"a-{number}"), key=f"m-{number}")

    first = one_desk.look("/actions", source="energy")
    (following,) = [attrs["href"] or "" for tag, attrs in first.tags if attrs.get("rel") == "next"]
    second = one_desk.look(following)

    told = [sum(href.startswith("/actions/act_") for href in page.all("a", "href")) for page in (first, second)]
    assert told == [20, 5]
    assert [one for one in second.all("a", "rel") if one == "next"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/sessions?limit=x", 400, "limit: expected a whole number"),
        ("/sessions?nonsense=1", 400, "nonsense: unknown here"),
        ("/sessions?since=yesterday", 400, "Since: this is no time."),
        ("/sessions?cursor=x", 400, "cursor: not one that this list gave"),
        ("/sessions/ses_nobody", 404, "no such session"),
        ("/events/9", 404, "no such event"),
    ],
)
def test_what_cannot_be_shown_is_told_on_a_page(one_desk: Desk, path: str, status: int, words: str):
    assert words in one_desk.look(path, status).text


def test_a_database_that_is_away_is_told_on_a_page(one_desk: Desk, monkeypatch):
    def away(*_: object) -> None:
        raise Unavailable("gone")

    monkeypatch.setattr("adapters.sql.reads.reads.Reads.streams", away)

    assert "the database is away" in one_desk.look("/sessions", 503).text


def test_the_access_log_says_who_did_what_with_what(one_desk: Desk):
    one_desk.recorder.record("evidence_made", by="ann", of="ses_1")
    one_desk.recorder.record("retracted", by="bob@example.com", position=1, reason="<forged>")

    text = one_desk.look("/events", source="hookfold").text

    assert "evidence_made by ann, of ses_1" in text
    assert "retracted by bo…, position 1, reason <forged>" in text


def test_the_events_lead_to_the_newest(one_desk: Desk):
    for number in range(3):
        one_desk.send("clinic", wms("visit-1", number))

    assert "/events?after=0" in one_desk.look("/events").all("a", "href")


def test_the_outcomes_of_the_last_day_say_from_when_to_when(one_desk: Desk):
    scan(one_desk)

    assert "From 2023-11-13 22:15:20 to 2023-11-14 22:15:20 UTC , by when it was recorded." in one_desk.look("/").text


def test_counts_have_separators_and_the_figures_of_a_column_stand_below_each_other(one_desk: Desk):
    one_desk.log.append([Rejection("clinic", NOON, [], b"", 1_234_567, 413, "too_large", "")])

    page = one_desk.look("/deliveries")

    assert '<td class="number">413</td><td class="number">1,234,567</td>' in page.markup


def test_a_hint_that_repeats_the_row_above_is_not_told_anew(one_desk: Desk):
    for reason, hint in [("stale", "a day"), ("stale", "a day"), ("stale", "an hour"), ("too_old", "an hour")]:
        one_desk.reject(reason=reason, hint=hint)

    text = one_desk.look("/deliveries").text.partition("Bytes")[2]

    assert (text.count("a day"), text.count("an hour"), text.count("as in the row above")) == (1, 2, 1)


def test_our_ids_in_the_access_log_lead_to_their_pages(one_desk: Desk):
    scan(one_desk)
    ids = [one_desk.get(f"/v1/{kind}")["data"][0]["id"] for kind in ("sessions", "measurements")]
    for one in ids:
        one_desk.recorder.record("evidence_made", by="<ann>", of=one)

    page = one_desk.look("/events", source="hookfold")

    assert {f"/sessions/{ids[0]}", f"/measurements/{ids[1]}"} <= set(page.all("a", "href"))
    assert "by <ann>" in page.text


@pytest.mark.parametrize("kind", ["sessions", "actions", "devices", "registrations"])
def test_the_clocks_are_in_one_order_on_every_page(one_desk: Desk, kind: str):
    filled(one_desk)
    (one, *_) = one_desk.get(f"/v1/{kind}")["data"]

    for path in (f"/{kind}", f"/{kind}/{one['id']}"):
        text = one_desk.look(path).text
        assert text.index("Happened by") < text.index("Known here by")


@pytest.mark.parametrize(
    ("clock", "banner"), [("known_at", "as it was known here at"), ("as_of", "what had happened by")]
)
def test_what_a_page_of_the_past_leads_to_is_shown_as_of_the_same_time(desk: Desk, clock: str, banner: str):
    filled(desk)
    desk.send("energy", pushed("a-2", "car x"), key="2")
    (newest,) = desk.get("/v1/events", after=desk.get("/v1/overview")["position"] - 1)["data"]
    then = {"known_at": newest["recorded_at"], "as_of": "2023-11-14T22:15:00Z"}[clock]

    kinds = {"sessions", "measurements", "actions", "devices", "registrations"}
    paths = [f"/{kind}?limit=1&{clock}={then}" for kind in kinds]
    seen = set(paths)
    for path in paths:
        page = desk.look(path)
        assert f"This is the past: {banner}" in page.text
        found = {href for href in page.all("a", "href") if re.match(r"/\w+(/(ses|mea|act|dev|reg)_|.*cursor=)", href)}
        found -= {path.partition("?")[0], *seen}  # back to now
        paths += found
        seen |= found

    assert {path.split("/")[1] for path in seen if path.count("/") > 1} == kinds
    assert any("cursor=" in path for path in seen)


def test_a_list_of_the_present_leads_to_the_present(one_desk: Desk):
    filled(one_desk)

    page = one_desk.look("/sessions")

    assert "This is the past" not in page.text
    assert [href for href in page.all("a", "href") if "?" in href] == []
