"""Tokens over the wire, under our server and under a WSGI server of another make."""

import json
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from shutil import copyfile
from typing import Any
from urllib.error import HTTPError

import pytest

from adapters.providers import sign_wms
from tests.support.logs import wms
from tests.support.service import CONFIGURATION, FRONTS, PATIENCE, WMS_SECRET, Answer, Service, running

READ, ACT = "read-token-0123456789", "act-token-0123456789"
TOKENS = """
[tokens.dashboard]
secret = "file:dashboard"
scopes = ["read"]

[tokens.robot]
secret = "file:robot"
scopes = ["raw", "act"]
"""
FOLLOWING = (Path(__file__).parents[2] / "docs/follow.md").read_text()
REALM = 'Bearer realm="hookfold"'


@pytest.fixture(params=FRONTS, scope="module")
def service(
    request: pytest.FixtureRequest, sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("tokens")
    copyfile(sqlite_template, folder / "hookfold.db")
    (folder / "dashboard").write_text(READ)
    (folder / "robot").write_text(ACT)
    with running(
        f"sqlite:///{folder}/hookfold.db", folder, front=request.param, configuration=CONFIGURATION + TOKENS
    ) as started:
        yield started


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/sessions/ses_x", "/v1/events/1/body", "/v1/actions", "/v1/x"])
def test_without_a_token_it_is_401_with_a_challenge(service: Service, method: str, path: str):
    answer = service.send(method, path, b"{" if method == "POST" else b"")

    assert (answer.status, answer.headers["www-authenticate"]) == (401, REALM)
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "target", ["//v1/sessions", "/%76%31/sessions", "/v1//sessions", "http://elsewhere/v1/sessions", "/v1/sessions%00"]
)
def test_no_way_of_writing_a_path_leads_around_it(service: Service, target: str):
    answer = service.send("GET", target)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, REALM)


def test_a_wrong_token_is_401_and_says_so(service: Service):
    answer = service.send("GET", "/v1/sessions", headers={"Authorization": "Bearer wrong-0123456789"})

    assert (answer.status, answer.headers["www-authenticate"]) == (401, f'{REALM}, error="invalid_token"')


def test_a_token_without_the_scope_is_403_and_names_it(service: Service):
    answer = service.send("GET", "/v1/events/99/body", headers={"Authorization": f"Bearer {READ}"})

    challenge = f'{REALM}, error="insufficient_scope", scope="raw"'
    assert (answer.status, answer.headers["www-authenticate"]) == (403, challenge)


def test_a_token_opens_what_it_is_for(service: Service):
    answers = [
        service.send("GET", path, headers={"Authorization": f"Bearer {token}"}).status
        for path, token in [("/v1/sessions", READ), ("/v1/events/99/body", ACT), ("/v1/sessions/ses_x", READ)]
    ]

    assert answers == [200, 404, 404]


def test_a_token_that_comes_twice_is_none(service: Service):
    answer = service.send("GET", "/v1/sessions", headers=[("Authorization", f"Bearer {READ}")] * 2)

    assert (answer.status, answer.headers["www-authenticate"]) == (401, REALM)


def test_an_ingest_path_never_asks_for_a_token(service: Service):
    body = json.dumps(wms("visit", 0)).encode()
    signed = sign_wms(WMS_SECRET, body)

    answers = [
        service.send("POST", "/in/clinic", body, signed),
        service.send("POST", "/in/clinic", body, signed | {"Authorization": "Bearer wrong-0123456789"}),
        service.send("POST", "/in/clinic", body, {"Authorization": f"Bearer {ACT}"}),
        service.send("GET", "/in/clinic"),
    ]

    assert [answer.status for answer in answers] == [200, 200, 401, 405]
    assert not any("www-authenticate" in answer.headers for answer in answers)


def test_a_replay_and_a_body_that_was_read_name_the_token(service: Service):
    position = service.wms(wms("named", 0)).headers["hookfold-position"]

    body = asked(service, ACT, f"/v1/events/{position}/body")
    plan = asked(service, ACT, "/v1/replays", "POST").json["id"]
    until(service, plan, "planned")
    asked(service, ACT, f"/v1/replays/{plan}/confirm", "POST")
    until(service, plan, "done")

    listed = asked(service, READ, f"/v1/events?source=hookfold&after={position}").json["data"]
    told = [asked(service, READ, f"/v1/events/{event['position']}").json for event in listed]
    assert body.status == 200
    assert [(event["type"], event["data"]["who"]) for event in told] == [
        ("body_read", "robot"),
        ("replayed", "robot"),
        ("switched", "robot"),
    ]


def asked(service: Service, token: str, path: str, method: str = "GET") -> Answer:
    return service.send(method, path, headers={"Authorization": f"Bearer {token}"})


def until(service: Service, plan: str, status: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while (found := asked(service, READ, f"/v1/replays/{plan}").json)["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.05)


def test_no_line_of_the_log_tells_a_token(service: Service):
    for token in (READ, ACT, "wrong-0123456789"):
        service.send("GET", "/v1/events/x/body", headers={"Authorization": f"Bearer {token}"})
    position = service.wms(wms("garbled", 0)).headers["hookfold-position"]

    with garbled(service, position):
        answer = asked(service, READ, f"/v1/events/{position}")

    logged = service.log.read_text()
    assert (answer.status, "request_failed" in logged) == (500, True)
    assert "0123456789" not in logged


@contextmanager
def garbled(service: Service, position: str) -> Iterator[None]:
    """An event that nobody can tell of: a fault that is logged."""
    garble = "UPDATE payloads SET origin = ? WHERE position = ?"
    with closing(sqlite3.connect(service.log.with_name("hookfold.db"), isolation_level=None)) as database:
        database.execute(garble, (b"garbled", position))
        yield
        database.execute(garble, (None, position))


def test_the_sample_that_follows_the_log_sends_a_token_and_ends_where_it_is_refused(service: Service):
    sample: dict[str, Any] = {}
    exec(re.findall(r"```python\n(.*?)```", FOLLOWING, re.DOTALL)[0], sample)
    service.wms(wms("followed", 0))
    at = f"http://127.0.0.1:{service.port}"

    with closing(sample["follow"](at, 0, READ)) as followed:
        assert next(followed)["position"] == 1
    for token, status in ((None, 401), ("wrong-0123456789", 401), (ACT, 403)):
        with pytest.raises(HTTPError) as refused:
            next(sample["follow"](at, 0, token))
        with closing(refused.value):
            assert refused.value.code == status
