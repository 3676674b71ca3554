"""ETags, safe headers, problems, waiting."""

from typing import Any

import pytest

from adapters.http.framework.carried import CARRIED, Carried, PutOff
from adapters.http.framework.problems import Busy
from adapters.http.framework.waiting import Waiting
from adapters.sql.history import candidates
from tests.support.house import House, pushed, start, stop, wms

ASKED = [
    "/v1/sessions",
    "/v1/measurements",
    "/v1/actions",
    "/v1/devices",
    "/v1/events",
    "/v1/deliveries",
    "/v1/machines",
]


@pytest.mark.parametrize("path", ASKED)
def test_what_the_client_has_already_is_not_sent_again(house: House, path):
    house.send("captions", start("ann@example.com"))
    house.send("energy", pushed("a-1"), key="m-1")
    etag = house.client.get(path, query_string={"limit": 1}).headers["ETag"]

    again = house.client.get(path, query_string={"limit": 1}, headers={"If-None-Match": f'"other", {etag}'})

    assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", etag)


def test_the_etag_changes_with_the_session_and_not_with_the_time(house: House):
    house.send("captions", start("ann@example.com"))
    path = f"/v1/sessions/{house.get('/v1/sessions')['data'][0]['id']}"

    def etag(path: str, **parameters: str) -> str:
        return str(house.client.get(path, query_string=parameters).headers["ETag"])

    at_once, list_at_once = etag(path), etag("/v1/sessions")
    assert etag(path, now="2030-01-01T00:00:00Z") == at_once
    assert etag("/v1/sessions", now="2030-01-01T00:00:00Z") == list_at_once
    house.send("captions", stop("ann@example.com"))
    assert etag(path) != at_once
    assert etag("/v1/sessions") != list_at_once


@pytest.mark.parametrize("path", ["/v1/sessions", "/v1/audit/completeness"])
def test_a_page_that_has_a_next_one_keeps_its_etag_over_time(house: House, path: str):
    for name in ("ann", "ben", "cyd"):
        house.send("captions", stop(f"{name}@example.com"))
        house.send("clinic", wms(name, 3))

    def page(now: str) -> tuple[Any, str]:
        answer = house.client.get(path, query_string={"limit": 1, "now": now})
        return answer.json, answer.headers["ETag"]

    (then, etag), (now, etag_now) = page("2026-01-01T00:00:00Z"), page("2026-01-01T00:00:09Z")
    assert then["next_cursor"] != now["next_cursor"]
    assert etag == etag_now


def test_a_page_that_goes_on_from_elsewhere_has_another_etag_though_it_holds_the_same(house: House, monkeypatch):
    monkeypatch.setattr(candidates, "EXAMINED", 2)
    monkeypatch.setattr(candidates, "_CHUNK", 2)
    asked = {"state": "finished", "as_of": "2023-11-15T00:00:00Z"}
    for name in ("ann", "ben"):
        house.send("captions", start(f"{name}@example.com"))

    before = house.client.get("/v1/sessions", query_string=asked)
    house.send("captions", start("cyd@example.com"))
    after = house.client.get("/v1/sessions", query_string=asked, headers={"If-None-Match": before.headers["ETag"]})

    assert after.status_code == 200
    assert (before.json["data"], after.json["data"]) == ([], [])
    assert before.json["next_cursor"] != after.json["next_cursor"]


@pytest.mark.parametrize("header", ["", "*garbage", '"x"', "W/", '"' * 999, "é"])
def test_a_strange_if_none_match_is_no_fault(one_house: House, header):
    assert one_house.client.get("/v1/sessions", headers={"If-None-Match": header}).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/sessions", "/v1/nowhere", "/healthz", "/metrics", "/openapi.json", "/v1/events/1"]
)
def test_every_answer_is_safe_to_look_at(one_house: House, path):
    headers = one_house.client.get(path).headers

    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cache-Control"] in {"no-store", "private, no-cache"}


@pytest.mark.parametrize(
    "path",
    ["/", "/v1", "/v1/", "/v1/sessions/", "//v1/sessions", "/v1/audit/checkpoint", "/v2/sessions", "/v1/é", "/%00"],
)
def test_a_path_that_is_not_there_is_a_problem_document(one_house: House, path):
    problem = one_house.problem(path, status=404)

    assert set(problem) == {"type", "title", "status", "detail"}


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/v1/sessions"), ("DELETE", "/v1/events/1"), ("POST", "/v1/events")]
)
def test_another_method_is_told_which_ones_there_are(one_house: House, method, path):
    answer = one_house.client.open(path, method=method)

    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "GET" in answer.headers["Allow"]


def test_on_the_ingest_paths_errors_have_the_providers_shape(one_house: House):
    answer = one_house.client.get("/in/")

    assert (answer.status_code, answer.json["status"]) == (404, "error")


def test_a_fault_of_ours_tells_nothing_of_its_cause(one_house: House, monkeypatch, capsys):
    def broken(*_: Any) -> Any:
        raise RuntimeError("ann@example.com")

    monkeypatch.setattr("adapters.sql.reads.reads.Reads.streams", broken)

    problem = one_house.problem("/v1/sessions", status=500)

    assert problem["type"] == "/docs#problem-fault"
    assert "ann" not in str(problem)
    logged = capsys.readouterr().out
    assert "RuntimeError" in logged
    assert "ann@example.com" not in logged


def test_a_position_that_is_there_is_not_waited_for(house: House):
    house.send("captions", start("ann@example.com"))

    assert len(house.get("/v1/sessions", min_position=1)["data"]) == 1
    assert house.get("/v1/sessions", min_position=0)["data"]


def test_a_position_that_does_not_come_is_busy(house: House):
    answer = house.client.get("/v1/sessions", query_string={"min_position": 5})

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert answer.json["parameter"] == "min_position"


def test_who_waits_sees_the_write_that_comes_meanwhile():
    positions = iter([(0, 0), (0, 0), (1, 0), (1, 1)])

    Waiting(lambda: next(positions), threads=4, patience=60).until(1, {})

    assert list(positions) == []


def test_a_quarter_of_the_threads_may_wait_and_no_more():
    waiting = Waiting(lambda: (0, 0), threads=8, patience=0)
    for _ in range(2):
        assert waiting._slots.acquire(blocking=False)

    with pytest.raises(Busy, match="too many"):
        waiting.until(1, {})

    waiting._slots.release()
    with pytest.raises(Busy, match="did not come"):
        waiting.until(1, {})


def test_who_waits_for_a_fold_is_asked_again_before_the_time_is_over():
    carried = Carried()

    with pytest.raises(PutOff) as put_off:
        Waiting(lambda: (9, 3), threads=1, patience=60).until(5, {CARRIED: carried})

    assert put_off.value.order.due < carried.until["min_position"]
    assert put_off.value.order.wanted.keys == frozenset()


def test_who_waits_for_a_fold_that_does_not_come_is_told_so():
    with pytest.raises(Busy, match="position 5 was not folded"):
        Waiting(lambda: (9, 3), threads=1, patience=0).until(5, {})


def test_one_may_always_wait():
    with pytest.raises(Busy, match="did not come"):
        Waiting(lambda: (0, 0), threads=1, patience=0).until(1, {})


@pytest.mark.parametrize("path", ["/v1/replays", "/v1/versions/x/serve", "/v1/actions"])
@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Origin": "http://evil.example.com"}],
)
def test_a_page_of_another_site_has_nothing_done(one_house: House, path: str, headers: dict[str, str]):
    answer = one_house.client.post(path, headers=headers)

    assert (answer.status_code, answer.json["type"].rpartition("#")[2]) == (403, "problem-forbidden")


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "same-origin"}, {"Origin": "http://localhost"}, {}])
def test_a_page_of_the_service_and_no_browser_at_all_may_ask(one_house: House, headers: dict[str, str]):
    assert one_house.client.post("/v1/actions", headers=headers).status_code == 400
