"""How a service is reached from outside (`base_url`): links begin with its path, which a proxy takes away."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from adapters.config import Scope, Secret, Token
from tests.console.conftest import Desk
from tests.console.test_pages import filled, places

ROOT = "/hookfold"
BASE = f"https://hooks.example.com{ROOT}"
LINKS = (("a", "href"), ("link", "href"), ("script", "src"), ("form", "action"), ("div", "data-live"))


@pytest.fixture
def below(sqlite_url: str) -> Iterator[Desk]:
    """A console that others reach by another URL."""
    made = Desk(sqlite_url, base_url=BASE)
    yield made
    made.close()


def test_every_link_of_every_page_is_below_the_path_and_leads_to_what_is_there(below: Desk):
    filled(below)

    pages = {path: below.look(path) for path in places(below)}

    for path, page in pages.items():
        told = [link for tag, name in LINKS for link in page.all(tag, name)]
        assert [link for link in told if not link.startswith((f"{ROOT}/", "#"))] == [], path
        assert page.all("link", "href")
    links = {href.partition("#")[0] for page in pages.values() for href in page.all("a", "href")}
    assert {href for href in links if href and below.client.get(href.removeprefix(ROOT)).status_code != 200} == set()


def test_forms_lead_on_below_the_path(below: Desk):
    filled(below)
    (name,) = (one["id"] for one in below.get("/v1/measurements")["data"])

    led = [below.post("/search", id=name), below.post("/search"), below.post("/sign-out")]

    assert [answer.headers["Location"] for answer in led] == [f"{ROOT}/measurements/{name}", f"{ROOT}/", f"{ROOT}/"]


def test_a_sign_in_goes_by_https_alone_where_the_service_does(sqlite_url: str):
    tokens = {"ann": Token("ann", Secret("env:ANN", "a" * 20), (Scope.READ,))}
    made = Desk(sqlite_url, base_url=BASE, tokens=tokens)
    page = made.client.get("/sessions?limit=5", base_url="https://hooks.example.com/")

    assert f'action="{ROOT}/sign-in"' in page.get_data(as_text=True)
    assert "Secure" in page.headers["Set-Cookie"]
    made.close()


def test_the_api_says_where_it_is(below: Desk):
    filled(below)

    page: Any = below.client.get("/v1/events?limit=1")

    assert page.headers["Link"].startswith(f"<{ROOT}/v1/events?cursor=")
    assert below.get("/openapi.json")["servers"][0]["url"] == BASE
    docs = below.client.get("/docs").get_data(as_text=True)
    assert f'data-path="{ROOT}/v1/sessions"' in docs
    assert set(re.findall(r'(?:href|src)="(/[a-z]*)', docs)) == {ROOT}


def test_a_report_on_paper_says_where_it_stands(below: Desk):
    filled(below)
    (name,) = (one["id"] for one in below.get("/v1/measurements")["data"])

    assert f"It stands at {BASE}/measurements/{name}/report" in below.look(f"/measurements/{name}/report").text


def test_a_page_of_the_service_itself_is_no_other_site_whatever_the_proxy_calls_it(below: Desk):
    def planned(origin: str) -> int:
        headers = {"Origin": origin, "Host": "127.0.0.1:8400"}
        return int(below.client.post("/v1/replays", json={}, headers=headers).status_code)

    assert planned("https://hooks.example.com") < 300
    assert planned("https://other.example.com") == 403
