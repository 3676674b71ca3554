"""With tokens configured, the console asks for one; what is sent to it comes from its own pages alone."""

from collections.abc import Callable
from typing import Any

import pytest

from adapters.config import Scope, Secret, Token
from tests.console.conftest import Desk
from tests.support.house import start, wms

READ, RAW = "read-token-0123456789", "raw-token-01234567890"
Guarded = Callable[..., Desk]


def tokens(read: str = READ) -> dict[str, Token]:
    return {
        "dashboard": Token("dashboard", Secret("env:A", read), (Scope.READ,)),
        "auditor": Token("auditor", Secret("env:B", RAW), (Scope.READ, Scope.RAW)),
    }


@pytest.fixture
def desk(guarded: Guarded) -> Desk:
    made = guarded(tokens=tokens())
    made.send("clinic", wms("visit-1", 0))
    return made


def sign_in(desk: Desk, secret: str, to: str = "/sessions") -> Any:
    return desk.post("/sign-in", token=secret, next=to)


@pytest.mark.parametrize("path", ["/", "/sessions?state=loaded", "/events/1", "/machines", "/sessions/ses_x"])
def test_without_a_sign_in_every_page_is_the_one_that_asks_for_it(desk: Desk, path: str):
    answer = desk.client.get(path)
    page = desk.page(answer, 401)

    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hookfold"'
    assert [attrs["value"] for _, attrs in page.tags if attrs.get("name") == "next"] == [path]
    assert "visit-1" not in page.text
    assert "Sessions" not in page.text


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_search_without_a_sign_in_is_answered_with_the_page_that_asks_for_it(desk: Desk, method: str):
    answer = getattr(desk.client, method)("/search", data={"id": "visit-1"})

    assert "Token" in desk.page(answer, 401).text
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hookfold"'


def test_the_address_of_the_search_leads_to_the_overview(desk: Desk):
    sign_in(desk, READ)

    assert desk.client.get("/search").headers["Location"] == "/"


def test_the_style_sheet_needs_no_sign_in(desk: Desk):
    answer = desk.client.get("/console/console.css")

    assert (answer.status_code, answer.mimetype) == (200, "text/css")
    answer.close()


def test_a_token_opens_the_page_that_was_asked_for_and_stays_out_of_the_cookie(desk: Desk):
    answer = sign_in(desk, READ, "/sessions?state=loaded")
    cookie = answer.headers["Set-Cookie"]

    assert (answer.status_code, answer.headers["Location"]) == (303, "/sessions?state=loaded")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert READ not in cookie
    assert "visit-1" in desk.look("/sessions").text


@pytest.mark.parametrize("secret", ["", "wrong-token-0123456789", "é" * 20, "dashboard"])
def test_a_wrong_token_opens_nothing(desk: Desk, secret: str):
    page = desk.page(sign_in(desk, secret), 401)

    assert "none of ours" in page.text
    desk.look("/sessions", 401)


@pytest.mark.parametrize("to", ["//evil.example.com/x", "https://evil.example.com", "/\\evil.example.com", "", "x"])
def test_a_sign_in_leads_to_no_other_host(desk: Desk, to: str):
    assert sign_in(desk, READ, to).headers["Location"] == "/"


def test_who_signs_out_is_out(desk: Desk):
    sign_in(desk, READ)

    assert desk.post("/sign-out").status_code == 303
    desk.look("/sessions", 401)


def test_a_token_that_was_changed_ends_the_sign_ins_that_it_gave(desk: Desk, guarded: Guarded):
    sign_in(desk, READ)
    sign_in(changed := guarded(tokens=tokens("another-token-0123456789")), "another-token-0123456789")
    kept = desk.client.get_cookie("hookfold")

    changed.client.set_cookie("hookfold", kept.value)

    changed.look("/sessions", 401)
    desk.look("/sessions")


def test_a_forged_cookie_is_none(desk: Desk):
    desk.client.set_cookie("hookfold", "eyJ3aG8iOiJkYXNoYm9hcmQifQ.aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb")

    desk.look("/sessions", 401)


def test_the_cookie_opens_pages_and_not_the_api(desk: Desk):
    sign_in(desk, READ)

    assert desk.client.get("/v1/sessions").status_code == 401


def test_what_the_token_is_not_for_is_refused_on_a_page(desk: Desk):
    sign_in(desk, READ)

    assert "has not the scope raw" in desk.fill("/events/1/body", 403).text


def test_a_body_is_shown_to_who_may_read_it_and_that_is_recorded_under_the_tokens_name(desk: Desk):
    sign_in(desk, RAW)
    page = desk.fill("/events/1/body")

    assert '"sessionId": "visit-1"' in page.text
    told = desk.client.get("/v1/events/2", headers={"Authorization": f"Bearer {RAW}"}).json["data"]
    assert (told["who"], told["position"]) == ("auditor", 1)


@pytest.mark.parametrize("path", ["/sign-out", "/search", "/events/1/body", "/sessions/x/evidence", "/sign-in"])
@pytest.mark.parametrize("sent", [{}, {"csrf": "x"}, {"csrf": "é"}])
def test_what_comes_from_no_page_of_ours_is_refused(desk: Desk, path: str, sent: dict[str, str]):
    sign_in(desk, RAW)

    answer = desk.client.post(path, data={"id": "1", "token": RAW, **sent})

    assert "this form is no longer good" in desk.page(answer, 400).text
    assert desk.api.reads.head() == 1


def test_without_tokens_everybody_may_look_and_a_form_still_has_to_be_ours(one_desk: Desk):
    one_desk.send("clinic", wms("visit-1", 0))

    assert one_desk.client.post("/events/1/body").status_code == 400
    assert "visit-1" in one_desk.fill("/events/1/body").text


def test_an_empty_log_shows_no_signed_command_to_a_token_that_only_reads(guarded: Guarded):
    desk = guarded(tokens=tokens())
    sign_in(desk, READ)

    page = desk.look("/")

    assert "Nothing has come yet" in page.text
    assert "curl <first>" not in page.text


def test_whoever_holds_a_limited_token_is_shown_its_sources_alone(guarded: Guarded):
    limited = Token("clinic", Secret("env:C", "clinic-token-0123456"), tuple(Scope), ("clinic",))
    desk = guarded(tokens=tokens() | {"clinic": limited})
    desk.send("clinic", wms("visit-1", 0, "MEASUREMENT_STARTED"))
    desk.send("captions", start("ada"))
    sign_in(desk, limited.secret.value)

    pages = {path: desk.look(path) for path in ("/", "/sessions", "/events", "/deliveries")}

    assert all("captions" not in page.text for page in pages.values())
    assert "visit-1" in pages["/sessions"].text
    assert "/replays" not in pages["/"].all("a", "href")
    assert "limited to clinic" in desk.look("/replays", 403).text
    desk.look("/events/2", 404)
