"""The OpenAPI document says what the service does, and `/docs` shows it without anything from elsewhere."""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from openapi_schema_validator import OAS31Validator

from adapters.http.framework.problems import Problem
from adapters.http.views.docs import PROBLEMS
from adapters.http.views.examples import example_of
from tests.support.house import House

EXPLAINED = ("timeline", "why", "compare")


@pytest.fixture
def document(one_house: House) -> Any:
    return one_house.get("/openapi.json")


def test_every_path_of_the_contract_is_documented_and_served(one_house: House, document):
    served = {rule.rule.replace("<", "{").replace(">", "}") for rule in one_house.app.url_map.iter_rules()}

    documented = set(document["paths"])

    assert document["openapi"].startswith("3.1")
    beside = {"/healthz", "/readyz", "/metrics", "/in/{source}", "/in/{source}/webhook"}
    assert documented == {path for path in served if path.startswith("/v1/")} | beside
    assert {
        *("/v1/sessions", "/v1/sessions/{id}", "/v1/sessions/{id}/events", "/v1/sessions/{id}/timeline"),
        *("/v1/sessions/{id}/runs", "/v1/measurements", "/v1/measurements/{id}", "/v1/measurements/{id}/timeline"),
        *("/v1/actions", "/v1/actions/{id}", "/v1/devices", "/v1/devices/{id}/actions", "/v1/registrations"),
        *("/v1/events", "/v1/events/{position}", "/v1/events/{position}/body", "/v1/deliveries", "/v1/rejections"),
        *("/v1/machines", "/v1/machines/{name}", "/v1/audit/completeness"),
        *(f"/v1/{kind}/{{id}}/{what}" for kind in ("sessions", "measurements", "actions") for what in EXPLAINED),
    } <= documented


def test_every_reference_leads_somewhere(document):
    schemas = document["components"]["schemas"]

    references = re.findall(r"'#/components/schemas/([^']+)'", str(document))

    assert references
    assert set(references) <= set(schemas)


def test_every_documented_parameter_is_known_and_every_other_one_is_not(one_house: House, document):
    for path, methods in document["paths"].items():
        if "{" in path:
            continue
        names = {one["name"] for one in methods["get"]["parameters"] if one["in"] == "query"}
        for name in names - {"cursor"}:
            with one_house.client.get(path, query_string={name: "1"}) as answer:
                assert answer.status_code == 200 or "unknown here" not in answer.get_data(as_text=True), (path, name)


def test_the_statuses_that_are_given_are_documented_and_no_others(document):
    def statuses(method: str, path: str) -> set[str]:
        return set(document["paths"][path][method]["responses"])

    assert statuses("post", "/v1/replays/{id}/confirm") >= {"200", "405", "409", "415"}
    assert "409" not in statuses("post", "/v1/actions")
    read = [path for path, methods in document["paths"].items() if "get" in methods]
    assert {path for path in read if "410" in statuses("get", path)} == {
        *("/v1/sessions/{id}", "/v1/sessions/{id}/runs", "/v1/measurements/{id}", "/v1/actions/{id}"),
        *("/v1/devices/{id}", "/v1/devices/{id}/actions", "/v1/registrations/{id}"),
        *(f"/v1/{kind}/{{id}}/{what}" for kind in ("sessions", "measurements", "actions") for what in EXPLAINED),
    }
    for path in ("/healthz", "/readyz"):
        assert "304" not in statuses("get", path)


def test_names_of_schemas_tell_nothing_of_the_code(document):
    assert [name for name in document["components"]["schemas"] if not name.isalnum()] == []


def test_every_json_answer_to_a_get_under_v1_has_an_etag(one_house: House, document):
    for path, methods in document["paths"].items():
        content = methods.get("get", {"responses": {"200": {"content": {}}}})["responses"]["200"]["content"]
        if path.startswith("/v1/") and "{" not in path and [*content][:1] == ["application/json"]:
            answer = one_house.client.get(path)
            assert answer.status_code != 200 or answer.headers["ETag"], path


def test_operations_have_names_of_their_own_and_words_for_people(document):
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]

    assert len({operation["operationId"] for operation in operations}) == len(operations)
    assert all(operation["summary"].endswith(".") for operation in operations)


def test_every_field_that_is_named_as_an_instant_has_the_schema_of_one(document):
    fields = [
        (name, field, told)
        for name, schema in document["components"]["schemas"].items()
        for field, told in schema.get("properties", {}).items()
        if field.endswith("_at")
    ]

    assert ("Action", "failed_at") in {(name, field) for name, field, _ in fields}
    assert [one for one in fields if "'format': 'date-time'" not in str(one)] == []


def test_the_told_action_is_documented_with_its_header_and_body(document):
    operation = document["paths"]["/v1/actions"]["post"]

    assert {"name": "Idempotency-Key", "in": "header", "required": True} in [
        {key: one[key] for key in ("name", "in", "required")} for one in operation["parameters"]
    ]
    key = next(one["schema"] for one in operation["parameters"] if one["in"] == "header")
    assert [bool(re.search(key["pattern"], one)) for one in ("a b", "a" * 256, "a,b", "a" * 257, "")] == [
        *(True, True),
        *(False, False, False),
    ]
    told = document["components"]["schemas"]["Told"]
    assert set(told["required"]) == {"source", "action_id", "state", "occurred_at"}
    assert told["properties"]["occurred_at"]["format"] == "date-time"


def test_the_stream_is_documented_as_what_it_is(document):
    operation = document["paths"]["/v1/events/stream"]["get"]

    names = {(one["in"], one["name"]): one["required"] for one in operation["parameters"]}
    assert operation["responses"]["200"]["content"] == {"text/event-stream": {"schema": {"type": "string"}}}
    assert "304" not in operation["responses"]
    assert names[("header", "Last-Event-ID")] is False
    assert {("query", "after"), ("query", "source"), ("query", "session_id")} <= set(names)
    assert {("query", "wait"), ("query", "limit"), ("query", "cursor")}.isdisjoint(names)


def test_every_kind_of_problem_is_explained():
    kinds = {kind.kind for kind in Problem.__subclasses__()}

    assert kinds <= set(PROBLEMS)


class Links(HTMLParser):
    """Collects what a page loads and leads to, and its anchors."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.anchors: set[str] = set()
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        for name, value in attrs:
            if name in {"href", "src"}:
                self.targets.append(value or "")
            if name == "id":
                self.anchors.add(value or "")


def test_the_page_works_offline_and_asks_only_this_service(one_house: House):
    answer = one_house.client.get("/docs")
    page = Links()

    page.feed(answer.get_data(as_text=True))

    assert answer.content_type == "text/html; charset=utf-8"
    assert page.tags.isdisjoint({"img", "iframe", "object", "style"})
    ours = {f"/static/docs.{ending}" for ending in ("css", "js", "svg")}
    assert {target for target in page.targets if not target.startswith("#")} == {"/", "/openapi.json", *ours}
    assert {target[1:] for target in page.targets if target.startswith("#")} <= page.anchors
    for path in ours:
        with one_house.client.get(path) as found:
            assert found.status_code == 200


def test_the_pages_policy_lets_nothing_in(one_house: House):
    policy = one_house.client.get("/docs").headers["Content-Security-Policy"]

    assert policy.startswith("default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


def test_every_example_of_an_answer_is_one_that_the_schema_allows(document):
    schemas = document["components"]["schemas"]

    for name, schema in schemas.items():
        checker = OAS31Validator({**schema, "components": document["components"]})
        assert list(checker.iter_errors(example_of(schema, schemas))) == [], name


def test_every_problem_type_leads_to_its_paragraph(one_house: House):
    page = Links()
    page.feed(one_house.client.get("/docs").get_data(as_text=True))

    problem = one_house.problem("/v1/sessions", limit="x")

    assert problem["type"].removeprefix("/docs#") in page.anchors


def test_the_page_tells_every_path(one_house: House, document):
    text = one_house.client.get("/docs").get_data(as_text=True)

    for path in document["paths"]:
        assert f"<code>{path}</code>" in text
