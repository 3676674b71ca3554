"""Replays by hand: planned, read, confirmed, and taken back, each by whoever may."""

import threading
from collections.abc import Callable
from typing import Any

from adapters.config import Scope, Secret, Token
from tests.console.conftest import Desk
from tests.support.house import wms

READER = Token("reader", Secret("env:READER", "reader-token-0123456789"), (Scope.READ,))


def settled() -> None:
    """The thread of a replay has ended."""
    for thread in threading.enumerate():
        if thread.name == "hookfold-replay":
            thread.join(30)


def versions_of(desk: Desk) -> list[dict[str, Any]]:
    return [one for one in desk.get("/v1/versions")["data"] if one["machine"] == "measurement"]


def planned(desk: Desk) -> str:
    """The page of a plan that is worked out."""
    place = str(desk.post("/replays", machine="measurement").headers["Location"])
    settled()
    return place


def test_a_replay_is_planned_confirmed_and_rolled_back(desk: Desk):
    desk.send("clinic", wms("visit-1", 0))

    place = planned(desk)
    assert "Nothing would change" in desk.look(place).text
    desk.post(f"{place}/confirm", sure="yes")
    settled()
    assert "Done: what was built serves" in desk.look(place).text
    versions = desk.look("/replays")
    (way_back,) = [path for path in versions.all("form", "action") if path.startswith("/versions/")]
    desk.post(way_back, sure="yes")

    (serving,) = [one for one in versions_of(desk) if one["status"] == "serving"]
    assert serving["version"] == way_back.split("/")[2]
    assert [one["type"] for one in desk.get("/v1/events", source="hookfold")["data"]] == [
        "replayed",
        "switched",
        "switched",
    ]


def test_each_example_of_a_change_leads_to_its_page(desk: Desk):
    desk.send("clinic", wms("visit-1", 0))
    (session,) = desk.get("/v1/sessions")["data"]
    with desk.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE projections SET state = 'spoiled'")

    page = desk.look(planned(desk))

    assert f"/sessions/{session['id']}" in page.all("a", "href")


def test_what_is_not_confirmed_by_a_tick_is_not_done(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))
    place = planned(one_desk)

    page = one_desk.fill(f"{place}/confirm", 400)

    assert "tick the box" in page.text
    assert "planned" in one_desk.look(place).text


def test_a_form_from_elsewhere_begins_nothing(one_desk: Desk):
    one_desk.look("/replays")

    answer = one_desk.client.post("/replays", data={"csrf": "forged", "machine": "measurement"})

    assert answer.status_code == 400
    assert one_desk.get("/v1/replays")["data"] == []


def test_what_is_no_version_or_serves_already_is_told(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))
    (serving,) = versions_of(one_desk)

    assert "no such version" in one_desk.fill("/versions/none/serve", 404, sure="yes").text
    assert "only what is built" in one_desk.fill(f"/versions/{serving['version']}/serve", 409, sure="yes").text


def test_who_only_reads_sees_the_versions_and_no_form(guarded: Callable[..., Desk]):
    desk = guarded(tokens={"reader": READER})
    desk.post("/sign-in", token=READER.secret.value)

    page = desk.look("/replays")

    assert "/replays" not in page.all("form", "action")
    assert "scope act" in page.text
    assert desk.post("/replays").status_code == 403
