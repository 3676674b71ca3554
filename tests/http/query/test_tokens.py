"""With tokens, `/v1` answers nobody who sends none of them, whatever he asks for; without, everybody."""

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.config import Scope, Secret, Token
from adapters.http.framework import routes
from adapters.sql import Plans, Replay, Tree
from tests.support.house import House, wms

SECRETS = {scope: f"{scope}-token-0123456789=" for scope in Scope}
TOKENS = {name: Token(name, Secret(f"env:{name}", secret), (name,)) for name, secret in SECRETS.items()}
REALM = 'Bearer realm="hookfold"'
INVALID = f'{REALM}, error="invalid_token"'
OPEN = ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/static/docs.css")


def bearer(scope: str) -> dict[str, str]:
    """The header with the token that has this scope alone."""
    return {"Authorization": f"Bearer {SECRETS[Scope(scope)]}"}


@pytest.fixture
def guarded(sqlite_url: str) -> Iterator[House]:
    """For what no database has a part in."""
    house = House(sqlite_url, tokens=TOKENS)
    yield house
    house.close()


@pytest.fixture
def recorded(database_url: str) -> Iterator[House]:
    """A log with one event, whose own events can be asked for."""
    house = House(database_url, tokens=TOKENS)
    object.__setattr__(house.api, "signer", CheckpointSigner(Tree(house.engine), CurrentKey(SigningKey(b"k" * 32))))
    house.send("clinic", wms("s", 0))
    yield house
    house.close()


def operations(house: House) -> list[tuple[str, str, str]]:
    """Method, path and scope of every operation under `/v1`."""
    paths = house.get("/openapi.json")["paths"].items()
    told = [(path, *one) for path, methods in paths for one in methods.items() if path.startswith("/v1/")]
    return [(method, re.sub("{.*}", "x", path), one["security"][0]["token"][0]) for path, method, one in told]


def answers(house: House, headers: Callable[[str], dict[str, str]]) -> dict[tuple[int, str, str | None], int]:
    """How often each status, type and challenge came; `headers` are sent to an operation of a scope."""
    found: dict[tuple[int, str, str | None], int] = {}
    for method, path, scope in operations(house):
        answer = house.client.open(path, method=method, headers=headers(scope), query_string={"nonsense": 1})
        told = (answer.status_code, str(answer.content_type), answer.headers.get("WWW-Authenticate"))
        found[told] = found.get(told, 0) + 1
    return found


def test_every_route_under_v1_has_a_scope(guarded: House):
    served = {
        (method.lower(), re.sub("<.*>", "x", rule.rule))
        for rule in guarded.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule.startswith("/v1")
    }

    assert {(method, path) for method, path, scope in operations(guarded) if scope in [*Scope]} == served


def test_responses_are_documented_in_the_order_of_their_statuses(guarded: House):
    paths = guarded.client.get("/openapi.json").data.decode()
    told = [list(operation["responses"]) for one in json.loads(paths)["paths"].values() for operation in one.values()]

    assert [statuses for statuses in told if statuses != sorted(statuses)] == []


@pytest.mark.parametrize(("scope", "path"), [(routes.OPEN, "/v1/secrets"), (Scope.READ, "/healthy")])
def test_a_route_without_a_scope_under_v1_cannot_be_declared(scope: Any, path: str):
    with pytest.raises(ValueError, match=f"{path}: what is under /v1, and nothing else, has a scope"):
        routes.Routes().one(scope, path, Token, None)(print)


def test_bodies_and_bundles_are_raw_what_changes_something_acts_and_all_else_reads(guarded: House):
    found = operations(guarded)

    assert {(method, path) for method, path, scope in found if scope == "raw"} == {
        ("get", "/v1/events/x/body"),
        ("get", "/v1/sessions/x/evidence"),
        ("get", "/v1/measurements/x/evidence"),
    }
    assert {(method, path) for method, path, scope in found if scope == "act"} == {
        ("post", "/v1/actions"),
        ("post", "/v1/replays"),
        ("post", "/v1/replays/x/confirm"),
        ("post", "/v1/versions/x/serve"),
    }


def test_without_a_token_every_route_asks_for_one(guarded: House):
    assert answers(guarded, lambda _: {}).keys() == {(401, "application/problem+json", REALM)}


def test_with_a_wrong_token_every_route_says_so(guarded: House):
    wrong = {"Authorization": "Bearer wrong-token-0123456789"}

    assert answers(guarded, lambda _: wrong).keys() == {(401, "application/problem+json", INVALID)}


def test_with_a_token_for_something_else_every_route_names_the_scope_that_it_lacks(guarded: House):
    found = answers(guarded, lambda scope: bearer("read" if scope != "read" else "act"))

    assert found.keys() == {
        (403, "application/problem+json", f'{REALM}, error="insufficient_scope", scope="{scope}"') for scope in Scope
    }


def test_with_the_right_token_every_route_answers_what_is_asked(guarded: House):
    assert {status for status, _, _ in answers(guarded, bearer)} == {400}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1"),
        ("GET", "/v1/nowhere"),
        ("PUT", "/v1/sessions"),
        ("HEAD", "/v1/sessions"),
        ("OPTIONS", "/v1/sessions"),
        ("GET", "/%76%31/sessions"),
        ("GET", "/v1/sessions/"),
        ("GET", "/v1/sessions?cursor=garbage"),
        ("GET", "/v1/events/stream"),
    ],
)
def test_a_stranger_is_not_told_what_is_there_and_what_is_not(guarded: House, method: str, path: str):
    answer = guarded.client.open(path, method=method)

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, REALM)
    assert "Allow" not in answer.headers


@pytest.mark.parametrize("path", ["/V1/sessions", "/./v1/sessions", "/v1sessions"])
def test_what_is_not_under_v1_leads_nowhere_without_a_token(guarded: House, path: str):
    assert guarded.client.get(path).status_code == 404


@pytest.mark.parametrize("path", OPEN)
def test_what_tells_of_the_service_alone_asks_for_no_token(guarded: House, path: str):
    with guarded.client.get(path) as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize(
    "credentials",
    [
        "",
        "Bearer",
        "Bearer ",
        SECRETS[Scope.READ],
        f"Basic {SECRETS[Scope.READ]}",
        f"Bearer{SECRETS[Scope.READ]}",
        f"Bearer {SECRETS[Scope.READ]} x",
        f"Bearer {SECRETS[Scope.READ]},Bearer {SECRETS[Scope.READ]}",
        f'Bearer token="{SECRETS[Scope.READ]}"',
        "Bearer é",
        "Bearer =",
    ],
)
def test_what_is_no_bearer_token_is_as_good_as_none(guarded: House, credentials: str):
    answer = guarded.client.get("/v1/sessions", headers={"Authorization": credentials})

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, REALM)


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_the_scheme_may_be_written_in_any_case(guarded: House, scheme: str):
    headers = {"Authorization": scheme + SECRETS[Scope.READ]}

    assert guarded.client.get("/v1/sessions", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "almost",
    [SECRETS[Scope.READ][:-1], f"{SECRETS[Scope.READ]}=", SECRETS[Scope.READ].upper(), "a" * 60_000, "x"],
)
def test_almost_a_token_is_none(guarded: House, almost: str):
    answer = guarded.client.get("/v1/sessions", headers={"Authorization": f"Bearer {almost}"})

    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, INVALID)


def test_a_token_in_the_query_is_none_and_no_answer_repeats_it(guarded: House):
    answer = guarded.client.get(f"/v1/sessions?access_token={SECRETS[Scope.READ]}")

    assert answer.status_code == 401
    assert SECRETS[Scope.READ] not in answer.get_data(as_text=True)


def test_without_tokens_a_header_means_nothing(one_house: House):
    for headers in ({}, {"Authorization": "Bearer whatever-0123456789"}, {"Authorization": "garbage"}):
        assert one_house.client.get("/v1/sessions", headers=headers).status_code == 200


def test_only_a_service_with_tokens_tells_of_them(guarded: House, one_house: House):
    with_tokens, without = (house.get("/openapi.json") for house in (guarded, one_house))

    body = with_tokens["paths"]["/v1/events/{position}/body"]["get"]
    assert with_tokens["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert (body["security"], {"401", "403"} <= set(body["responses"])) == ([{"token": ["raw"]}], True)
    assert with_tokens["paths"]["/readyz"]["get"]["security"] == []
    paths = [methods for path, methods in without["paths"].items() if path.startswith("/v1/")]
    assert not re.search("'token'|securitySchemes|'401'", str([paths, without["components"]]))
    told = {method for methods in paths for method, one in methods.items() if "403" in one["responses"]}
    assert told == {"post"}  # where a page of another site asks
    assert all(one["security"] == [] for methods in paths for one in methods.values())


def test_the_page_for_people_tells_the_scope_of_each_route(guarded: House, one_house: House):
    needed = "Needs a token with the scope"

    assert f"{needed} <code>raw</code>" in guarded.client.get("/docs").get_data(as_text=True)
    assert needed not in one_house.client.get("/docs").get_data(as_text=True)


def test_who_read_a_body_and_who_made_a_bundle_is_recorded_by_the_tokens_name(recorded: House):
    session = recorded.ids.of("session", "clinic", "s")

    for path in ("/v1/events/1/body", f"/v1/sessions/{session}/evidence"):
        with recorded.client.get(path, headers=bearer("raw")) as answer:
            assert answer.status_code == 200

    assert own_events(recorded) == [("body_read", "raw"), ("evidence_made", "raw")]


def test_who_is_turned_away_leaves_no_trace_in_the_log(recorded: House):
    recorded.client.get("/v1/events/1/body", headers=bearer("read"))

    assert own_events(recorded) == []


def test_who_confirmed_a_replay_is_recorded_by_the_tokens_name(recorded: House):
    def replay(by: str | None) -> Replay:
        return Replay(recorded.engine, recorded.code, lambda: 10**15, partial(recorded.recorder.record, by=by))

    object.__setattr__(recorded.api, "plans", Plans(recorded.engine, replay, lambda: 10**15))
    plan = recorded.client.post("/v1/replays", headers=bearer("act")).json["id"]
    until(recorded, plan, "planned")

    recorded.client.post(f"/v1/replays/{plan}/confirm", headers=bearer("act"))

    until(recorded, plan, "done")
    assert own_events(recorded) == [("replayed", "act"), ("switched", "act")]


def own_events(house: House) -> list[tuple[str, str]]:
    """Type and `who` of each."""

    def asked(path: str) -> Any:
        return house.client.get(path, headers=bearer("read")).json

    listed = asked("/v1/events?source=hookfold")["data"]
    return [(event["type"], asked(f"/v1/events/{event['position']}")["data"]["who"]) for event in listed]


def until(house: House, plan: str, status: str) -> None:
    deadline = time.monotonic() + 20
    while (found := house.client.get(f"/v1/replays/{plan}", headers=bearer("read")).json)["status"] != status:
        assert time.monotonic() < deadline, found
        time.sleep(0.01)
