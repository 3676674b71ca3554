"""Personal ids are shortened until somebody asks for them, and that he did is on record."""

from collections.abc import Callable

import pytest

from adapters.config import Scope, Secret, Token
from adapters.sql import Unavailable, WantedEvents
from tests.console.conftest import Desk
from tests.support.house import start, stop, wms

ANN = "ann@example.com"
READER = Token("reader", Secret("env:READER", "reader-token-0123456789"), (Scope.READ,))


def asked(desk: Desk) -> list[tuple[str, str]]:
    told = [desk.get(f"/v1/events/{one['position']}") for one in desk.get("/v1/events", source="hookfold")["data"]]
    return [(one["type"], one["data"]["stream"]) for one in told]


@pytest.fixture
def session(one_desk: Desk) -> str:
    one_desk.send("captions", start(ANN))
    return str(one_desk.get("/v1/sessions")["data"][0]["id"])


def test_an_address_is_shortened_on_every_page_until_it_is_asked_for(one_desk: Desk, session: str):
    for path in ("/", "/sessions", f"/sessions/{session}", "/events", "/events/1"):
        assert ANN not in one_desk.look(path).markup, path

    whole = one_desk.fill(f"/sessions/{session}/ids")

    assert f"User {ANN}" in whole.text
    assert asked(one_desk) == [("ids_read", session)]
    assert ANN not in one_desk.look(f"/sessions/{session}").markup


def test_who_asks_again_within_the_hour_is_on_record_once(one_desk: Desk, session: str):
    one_desk.fill(f"/sessions/{session}/ids")
    page = one_desk.fill("/events/1/ids")

    assert ANN in page.text
    assert asked(one_desk) == [("ids_read", session)]


def test_a_user_is_shortened_whatever_the_id_looks_like(one_desk: Desk):
    one_desk.send("captions", start("patient-4711"))

    page = one_desk.look("/sessions")

    assert " pa… " in page.text


def test_an_id_that_is_no_address_stays(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))

    assert "visit-1" in one_desk.look("/sessions").text


def test_what_cannot_be_recorded_is_not_shown(one_desk: Desk, session: str):
    def away(*_: object, **__: object) -> int:
        raise Unavailable("gone")

    object.__setattr__(one_desk.api, "record", away)

    page = one_desk.fill(f"/sessions/{session}/ids", 503)

    assert ANN not in page.markup


def test_the_record_names_the_token(guarded: Callable[..., Desk]):
    desk = guarded(tokens={"reader": READER})
    _, position = desk.send("captions", start(ANN))
    desk.post("/sign-in", token=READER.secret.value)

    desk.fill(f"/events/{position}/ids")

    (told,) = [one for one in desk.api.reads.events(WantedEvents(after=0, limit=9)) if one.source == "hookfold"]
    assert b'"who":"reader"' in (desk.api.reads.body(told.position) or b"")


def test_ids_that_are_asked_for_on_a_page_of_the_past_are_shown_on_that_page(one_desk: Desk, session: str):
    one_desk.send("captions", stop(ANN))
    past = one_desk.look(f"/sessions/{session}", known_at=one_desk.get("/v1/events/1")["recorded_at"])
    (form,) = [action for action in past.all("form", "action") if "/ids" in action]

    whole = one_desk.fill(form)

    assert f"User {ANN}" in whole.text
    assert "This is the past: as it was known here at" in whole.text
