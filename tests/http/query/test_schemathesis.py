"""Schemathesis asks every operation for what its schemas allow and what they forbid: each finding has its reason."""

from collections.abc import Callable, Iterable, Iterator
from fnmatch import fnmatchcase
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

import msgspec
import pytest
from schemathesis import openapi
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.transport.wsgi import WSGITransport

from adapters.audit import CheckpointSigner, CurrentKey
from adapters.config import Scope, Secret, Token
from adapters.http import Door, ingest_blueprint
from adapters.http.framework.waiting import ENDING
from adapters.sql import Plans, Replay, Tree
from tests.support.audited import SIGNING
from tests.support.house import NOON, House, pushed, start, wms

SECRET = "schemathesis-token-0123456789="
TOKENS = {"all": Token("all", Secret("env:ALL", SECRET), tuple(Scope))}
REGISTERED = {
    "type": "server_registration",
    "registrationId": "r-1",
    "sessionId": "s-1",
    "userId": "ann@example.com",
    "timestamp": "2023-11-14T22:00:00.000Z",
    "packageName": "com.example.captions",
    "serverUrls": ["https://app.example.com/webhook"],
}
COVERAGE = {"enabled": True, "unexpected-methods": ["TRACE"], "generate-duplicate-query-parameters": True}
"""Each value at its bounds and beyond; every path is asked with one more method than it has."""
FUZZING = {"enabled": True, "generation": {"max-examples": 2}}
OF_A_SOCKET = {"max_redirects", "verify", "cert", "proxies"}


class Known(NamedTuple):
    """A finding that is right as it is. `answer`: how it begins."""

    operations: str
    check: str
    answer: str
    reason: str


class Finding(NamedTuple):
    operation: str
    check: str
    answer: str
    asked: str


KNOWN = [
    Known(
        *("GET *", "positive_data_acceptance", "400 cursor: not one that this list gave"),
        "A cursor is sealed: its schema cannot tell one that we gave from another text.",
    ),
    Known(
        *("GET *", "not_a_server_error", "503 the log did not come to position"),
        "`min_position` waits for an event to come; how far the log will have come in time is in no schema.",
    ),
    Known(
        *("GET /v1/audit/proof", "positive_data_acceptance", "400 ask with position (and size), or with from and to"),
        "Which parameters go together OpenAPI cannot say.",
    ),
    Known(
        *("POST /v1/actions", "positive_data_acceptance", "400 source: expected a configured amps source"),
        "Sources are configured: a document that named them would tell a stranger.",
    ),
    Known(
        *("GET /v1/*/stream", "response_schema_conformance", "200"),
        "OpenAPI 3.1 has a schema for the whole text of a stream; schemathesis holds each message against it.",
    ),
]
"""Each is found every time."""

BY_CHANCE = [
    Known(
        *("GET /v1/*/{id}/compare", "positive_data_acceptance", "400 known_at: the earlier time is missing"),
        "One of two parameters has to be there; OpenAPI says of each alone whether it is required.",
    ),
    Known(
        *("POST /in/*", "positive_data_acceptance", "400"),
        "What a body has to be is the provider's to say, and the provider is that of the source in the path.",
    ),
]
"""Found where an id or a source that is there was drawn."""


def filled(url: str, **api: Any) -> House:
    """A house that has every path, with events of every provider."""
    made = House(url, patience=0.001, **api)
    object.__setattr__(made.api, "signer", CheckpointSigner(Tree(made.engine), CurrentKey(SIGNING)))
    plans = Plans(made.engine, lambda _: Replay(made.engine, made.code, lambda: NOON), lambda: NOON)
    object.__setattr__(made.api, "plans", plans)
    door = Door(made.providers, 65_536, lambda: NOON)
    made.app.register_blueprint(ingest_blueprint(door, lambda item: made.log.append([item])[0]))
    made.send("clinic", wms("scan", 0, "MEASUREMENT_STARTED"))
    made.send("clinic", wms("scan", 1, "MEASUREMENT_CREATED", measurementId="m-1"))
    made.send("energy", pushed("a-1"), key="m-1")
    made.send("captions", start("ann@example.com"))
    made.send("older", REGISTERED)
    return made


@pytest.fixture
def make(sqlite_url: str) -> Iterator[Callable[..., House]]:
    houses: list[House] = []

    def one(**api: Any) -> House:
        houses.append(filled(sqlite_url, **api))
        return houses[-1]

    yield one
    for house in houses:
        house.close()


@pytest.fixture
def _in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking again without the token, schemathesis hands the application what only a socket has a use for."""
    send = WSGITransport.send

    def without(self: WSGITransport, case: Any, **given: Any) -> Any:
        return send(self, case, **{name: value for name, value in given.items() if name not in OF_A_SOCKET})

    monkeypatch.setattr(WSGITransport, "send", without)


def left(house: House) -> Callable[..., Iterable[bytes]]:
    """The application, asked by clients who leave once they have what is there: a stream ends."""
    return lambda environ, start: house.app(environ | {ENDING: lambda: True}, start)


def scenarios(house: House, headers: dict[str, str], phases: dict[str, Any]) -> Iterator[Any]:
    """What schemathesis did, an operation at a time, the same each time."""
    config = {
        "seed": 1,
        "headers": headers,
        "cache": {"enabled": False},
        "generation": {"deterministic": True, "no-shrink": True, "database": "none"},
        "phases": {name: {"enabled": False} for name in ("examples", "coverage", "fuzzing", "stateful")} | phases,
    }
    schema = openapi.from_wsgi("/openapi.json", left(house), config=SchemathesisConfig.from_dict(config))
    for event in from_schema(schema).execute():
        assert not isinstance(event, events.NonFatalError | events.FatalError), event
        if isinstance(event, events.ScenarioFinished):
            yield event.recorder


def findings(recorder: Any) -> Iterator[Finding]:
    for case, checks in recorder.checks.items():
        for check in checks:
            if check.status is not Status.SUCCESS:
                asked = recorder.interactions[check.failure_info.failure.case_id or case]
                operation = recorder.cases[case].value.operation.label
                yield Finding(
                    operation, check.name, said(asked.response), f"{asked.request.uri} {asked.request.body!r}"
                )


def said(response: Any) -> str:
    """The status, and the words of a problem."""
    problem = response.headers.get("content-type") == ["application/problem+json"]
    detail = msgspec.json.decode(response.content)["detail"] if problem else ""
    return f"{response.status_code} {detail}"


def explains(finding: Finding, known: Known) -> bool:
    return (
        fnmatchcase(finding.operation, known.operations)
        and finding.check == known.check
        and finding.answer.startswith(known.answer)
    )


def answered(recorders: Iterable[Any], statuses: range) -> set[str]:
    """The operations that had such an answer."""
    return {
        recorder.cases[case].value.operation.label
        for recorder in recorders
        for case, asked in recorder.interactions.items()
        if asked.response.status_code in statuses
    }


def unlisted(found: list[Finding]) -> list[Finding]:
    return [one for one in found if not any(map(partial(explains, one), KNOWN + BY_CHANCE))]


def test_what_schemathesis_finds_is_listed_and_what_is_listed_it_finds(make):
    house = make()

    recorders = list(scenarios(house, {}, {"coverage": COVERAGE}))

    found = [*chain.from_iterable(map(findings, recorders))]
    documented = house.get("/openapi.json")["paths"].items()
    assert answered(recorders, range(600)) == {f"{name.upper()} {path}" for path, told in documented for name in told}
    assert unlisted(found) == []
    assert [known for known in KNOWN if not any(explains(one, known) for one in found)] == []


@pytest.mark.usefixtures("_in_process")
def test_with_tokens_it_finds_no_more_and_no_operation_that_answers_without_one(make):
    house = make(tokens=TOKENS)

    recorders = list(scenarios(house, {"Authorization": f"Bearer {SECRET}"}, {"fuzzing": FUZZING}))

    good = {one for one in answered(recorders, range(200, 300)) if " /v1/" in one}
    assert unlisted([*chain.from_iterable(map(findings, recorders))]) == []
    assert len(good) > 20
    assert good <= answered(recorders, range(401, 402))
