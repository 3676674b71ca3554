"""A token that is limited to some sources: of any other one there is nothing, whatever is asked."""

import io
import re
import zipfile
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from werkzeug.test import create_environ

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.config import Scope, Secret, Token
from adapters.http import CARRIED, Carried, SpoolState
from adapters.providers import diagnose, sign_wms
from adapters.providers.port import SignatureKey
from adapters.sql import LimitedReads, Plans, Reads, Replay, Tree
from adapters.sql.reads import limited
from tests.support.house import NOON, PROVIDERS, House, pushed, start, wms

ALL = "all-token-0123456789"
TOKENS = {
    "all": Token("all", Secret("env:ALL", ALL), tuple(Scope)),
    **{
        name: Token(name, Secret(f"env:{name}", f"{name}-0123456789abcdef"), tuple(Scope), (name,))
        for name in PROVIDERS
    },
}
"""One for each source, named after it."""
THINGS = ("sessions", "measurements", "actions", "devices", "registrations")
FILTERS = {
    "session_id": "id-{}",
    "measurement_id": "m-id-{}",
    "action_id": "id-{}",
    "device_id": "car-id-{}",
    "registration_id": "r-id-{}",
    "user_id": "u-id-{}",
    "source": "{}",
}
"""By name: how what each source sent is called."""
DOCUMENTED = (Path(__file__).parents[3] / "docs/tokens.md").read_text()
NEEDED = {"proof": {"position": 1}, "compare": {"known_at_position": 3}}
"""Without which these say no more than that it is missing."""


class Told(NamedTuple):
    """What a GET was answered with; an endless one with its first page."""

    status: int
    text: str


@pytest.fixture
def house(sqlite_url: str) -> Iterator[House]:
    """Something of every kind, of every source that sends it; each one's ids hold its name."""
    made = House(sqlite_url, tokens=TOKENS, spools=lambda: [SpoolState(name, 9, NOON, 0) for name in PROVIDERS])
    object.__setattr__(made.api, "signer", CheckpointSigner(Tree(made.engine), CurrentKey(SigningKey(b"k" * 32))))
    plans = Plans(made.engine, lambda _: Replay(made.engine, made.code, lambda: NOON), lambda: NOON)
    object.__setattr__(made.api, "plans", plans)
    for name in ("captions", "older"):
        made.send(name, start(f"u-id-{name}") | {"sessionId": f"id-{name}"})
        made.send(name, registered(name))
    for number, event in enumerate(
        ("WMS_LOADED", "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "NEVER_HEARD_OF", "WMS_LOADED")
    ):
        given = {"measurementId": "m-id-clinic"} if number == 2 else {}
        made.send("clinic", wms("id-clinic", 2 * number, event, **given))
    made.send("energy", pushed("id-energy", "car-id-energy"), key="1")
    for name in PROVIDERS:
        made.send(name, b"{id-%s" % name.encode(), key="2")
        made.reject(name, hint=f"id-{name}")
    made.recorder.record("configuration_changed", changes=[])
    yield made
    made.close()


def registered(name: str) -> dict[str, Any]:
    times = {"timestamp": "2023-11-14T22:00:00.000Z", "packageName": "com.example.captions"}
    ids = {"registrationId": f"r-id-{name}", "sessionId": "x", "userId": f"u-id-{name}"}
    return {"type": "server_registration", "serverUrls": [], **ids, **times}


def bearer(name: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {TOKENS[name].secret.value}"}


def asked(house: House, path: str, token: str, **parameters: Any) -> Told:
    """As a server that carries on asks it."""
    headers = {f"HTTP_{name.upper()}": value for name, value in bearer(token).items()}
    environ = create_environ(path, query_string=parameters) | headers | {CARRIED: Carried()}
    status: list[str] = []
    app: Any = house.app
    answer = app(environ, lambda given, *_: status.append(given))
    if hasattr(answer, "page"):
        return Told(200, answer.page(0).messages.decode())
    body = b"".join(answer)
    answer.close()
    return Told(
        int(status[0][:3]), unpacked(body) if path.endswith("/evidence") and status[0] == "200 OK" else body.decode()
    )


def unpacked(bundle: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(bundle)) as files:
        return "".join(files.read(name).decode("utf-8", "replace") for name in files.namelist() if name != "verify.py")


def places(house: House) -> dict[str, dict[str, str]]:
    """Every path that a GET of the API has, and the source that it leads to; none: of the service itself."""
    ids = {kind: {row["id"]: row["source"] for row in listed(house, kind)} for kind in THINGS}
    ids["events"] = {str(row["position"]): row["source"] for row in listed(house, "events")}
    found: dict[str, dict[str, str]] = {}
    for rule, methods in house.get("/openapi.json")["paths"].items():
        if "get" in methods and not rule.startswith("/in/"):
            kind = rule.split("/")[2] if rule.startswith("/v1/") else ""
            named = ids.get(kind, {"measurement": ""}) if "{" in rule else {"": ""}
            found[rule] = {re.sub("{.*}", name, rule): source for name, source in named.items()}
    return found


def listed(house: House, kind: str) -> list[dict[str, Any]]:
    answer = house.client.get(f"/v1/{kind}?limit=100", headers=bearer("all"))
    rows: list[dict[str, Any]] = answer.json["data"]
    return rows


def of_others(name: str) -> re.Pattern[str]:
    """What tells of another source: its ids, its name as a value."""
    others = "|".join([*({*PROVIDERS} - {name}), "hookfold"])
    return re.compile(rf'\bid-({others})|"source": ?"({others})"')


def test_every_get_of_the_api_tells_of_the_tokens_sources_alone(house: House):
    every, own, refused, lacking = places(house), set[str](), set[str](), set[str]()

    for name, (rule, paths) in product(PROVIDERS, every.items()):
        for path, source in paths.items():
            told = asked(house, path, name, **NEEDED.get(rule.rpartition("/")[2], {}))
            assert not of_others(name).search(told.text), (name, path, told.text)
            if source not in {"", name}:
                assert told.status == 404, (name, path, told)
                lacking.add(rule)
            if told.status == 403:
                refused.add(rule)
            if f"id-{name}" in told.text or f'"source":"{name}"' in told.text:
                own.add(rule)

    assert refused == {
        *("/v1/audit/checkpoint", "/v1/audit/proof", "/v1/replays", "/v1/replays/{id}", "/v1/versions", "/metrics")
    }
    assert [rule for rule in refused if f"`{rule}`" not in DOCUMENTED] == []
    of_one = {rule for rule in every if "{id}" in rule or "{position}" in rule} - refused
    assert of_one == lacking
    assert of_one - {"/v1/sessions/{id}/runs"} <= own
    assert {"/v1/events", "/v1/events/stream", "/v1/sessions/stream", "/v1/deliveries", "/v1/overview"} <= own
    assert {"/v1/rejections", "/v1/rejections/summary", "/v1/audit/completeness", "/readyz"} <= own


def test_no_filter_of_a_list_leads_to_another_source(house: House):
    own = 0
    for rule, methods in house.get("/openapi.json")["paths"].items():
        taken = {one["name"] for one in methods.get("get", {}).get("parameters", ()) if one["in"] == "query"}
        for field, whose in product(FILTERS.keys() & taken if "{" not in rule else (), PROVIDERS):
            told = asked(house, rule, "energy", **{field: FILTERS[field].format(whose)})
            seen = told.text.replace(f'"source":"{whose}","provider":null,"position":null', "")
            assert not of_others("energy").search(seen), (rule, field, told.text)
            own += whose == "energy" and "id-energy" in told.text

    assert own > 5


def test_what_is_of_another_source_is_told_as_what_is_not_there(house: House):
    theirs, nobodys = house.ids.of("session", "captions", "id-captions"), house.ids.of("session", "clinic", "nobody")

    for rest in ("", "/timeline", "/why", "/evidence", "/compare"):
        first, second = (asked(house, f"/v1/sessions/{one}{rest}", "clinic") for one in (theirs, nobodys))
        assert first == second
    assert asked(house, "/v1/events/1/body", "clinic") == asked(house, "/v1/events/999/body", "clinic")
    assert asked(house, "/v1/events/1/body", "captions").status == 200


def test_who_follows_is_fed_the_tokens_sources_alone(house: House):
    def wanted(path: str, **parameters: str) -> Any:
        environ = create_environ(path, query_string=parameters) | {CARRIED: Carried()}
        environ["HTTP_AUTHORIZATION"] = bearer("clinic")["Authorization"]
        order: Any = house.app(environ, lambda *_: lambda _: None)
        return order.page(0).wanted

    everything, session = wanted("/v1/events/stream"), wanted("/v1/sessions/stream", session_id="id-captions")

    assert everything.keys == {("clinic", None)}
    assert session.keys == {(("clinic", house.ids.of("session", "clinic", "id-captions")), None)}
    assert not session.anywhere
    assert wanted("/v1/events/stream", source="captions").keys == frozenset()


def test_what_a_limited_token_may_do_it_may_do_for_its_sources(house: House):
    def tell(source: str, token: str) -> Any:
        told = {"source": source, "action_id": "a", "state": "scheduled", "occurred_at": "2023-11-14T22:00:00Z"}
        headers = bearer(token) | {"Idempotency-Key": f"{source} {token}"}
        return house.client.post("/v1/actions", json=told, headers=headers)

    own, theirs, unknown = tell("energy", "energy"), tell("energy", "clinic"), tell("nobody", "clinic")

    assert (own.status_code, theirs.status_code) == (200, 400)
    assert theirs.json == unknown.json
    for path in ("/v1/replays", "/v1/replays/x/confirm", "/v1/versions/x/serve"):
        answer = house.client.post(path, headers=bearer("clinic"))
        assert (answer.status_code, answer.json["detail"]) == (
            403,
            "this is of the whole log: the token is limited to clinic",
        )
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="hookfold", error="insufficient_scope"'


def test_where_a_token_is_limited_nobody_without_one_is_told_of_a_source(house: House):
    def told(path: str, headers: dict[str, str]) -> Told:
        answer = house.client.get(path, headers=headers)
        return Told(answer.status_code, answer.get_data(as_text=True))

    unknown = {"Authorization": "Bearer nobodys-token-0123"}

    assert [told("/metrics", one).status for one in ({}, unknown, bearer("clinic"), bearer("all"))] == [
        401,
        401,
        403,
        200,
    ]
    assert [told("/healthz", one).status for one in ({}, unknown, bearer("clinic"))] == [200, 200, 200]
    for headers, names in (
        ({}, set()),
        (unknown, set()),
        (bearer("clinic"), {"clinic"}),
        (bearer("all"), {*PROVIDERS}),
    ):
        ready = told("/readyz", headers)
        assert (ready.status, set(re.findall(r'"source":"(\w+)"', ready.text))) == (200, names)


def test_no_hint_names_the_secret_of_another_source(house: House):
    provider, theirs = house.providers["clinic"], SignatureKey("env:THEIRS", b"theirs")
    claim = provider.claim(list(sign_wms("theirs", b"{}").items()))
    house.reject(hint=f"no configured secret made it: {diagnose(claim, provider.keys, [theirs], b'{}')}")

    hints = [
        asked(house, path, token, source="clinic").text
        for path in ("/v1/rejections", "/v1/rejections/summary")
        for token in ("all", "clinic")
    ]

    assert ["under env:THEIRS of another source" in hint for hint in hints] == [True, False] * 2
    assert ["under a secret of another source" in hint for hint in hints] == [False, True] * 2
    assert "THEIRS" not in hints[1] + hints[3]


def test_all_that_reads_tell_is_told_anew_of_some_sources():
    questions = {name for name in vars(Reads) if not name.startswith("_")}

    assert questions - vars(LimitedReads).keys() == limited.OF_NO_SOURCE
