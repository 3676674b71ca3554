"""`wait=`: an empty page of the feed waits for an event, and holds no more than its slot meanwhile."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.logs import wms
from tests.support.service import Answer, Service, running
from tests.support.services import BACKENDS, Services


@pytest.fixture(params=BACKENDS)
def service(request: pytest.FixtureRequest, services: Services) -> Service:
    return services[f"serve-{request.param}"]


@pytest.fixture
def threaded_service(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """Under a server of another make, where whoever waits holds a thread."""
    with running(sqlite_url, tmp_path / "service", front="wsgi") as service:
        yield service


@pytest.fixture
def after(service: Service) -> int:
    """The head of the log."""
    return service.head()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as pool:
        yield pool


def timed(service: Service, path: str) -> tuple[Answer, float]:
    began = time.monotonic()
    return service.send("GET", path), time.monotonic() - began


def await_waiting(service: Service, told: str) -> None:
    """Returns when the metrics tell how many wait."""
    while f"{told}\n".encode() not in service.send("GET", "/metrics").body:
        time.sleep(0.02)


def test_an_empty_page_waits_for_the_event_that_fits_and_not_for_another(
    service: Service, after: int, name: str, pool: ThreadPoolExecutor
):
    path = f"/v1/events?after={after}&wait=20&source=clinic&session_id="
    waiting, other = (pool.submit(timed, service, path + one) for one in (name, f"not-{name}"))
    await_waiting(service, "hookfold_waiting 2.0")
    service.wms(wms(f"not-{name}", 0))
    assert len(other.result()[0].json["data"]) == 1
    assert not waiting.done()

    service.wms(wms(name, 0))

    answer, seconds = waiting.result()
    assert [event["session_id"] for event in answer.json["data"]] == [name]
    assert seconds < 10


def test_an_empty_page_is_told_when_the_time_is_over(service: Service, after: int):
    answer, seconds = timed(service, f"/v1/events?after={after}&wait=1")

    assert (answer.status, answer.json) == (200, {"data": [], "next_cursor": None})
    assert 1 <= seconds < 5


def test_a_page_that_holds_something_is_told_at_once(service: Service, after: int, name: str):
    service.wms(wms(name, 0))

    _, seconds = timed(service, f"/v1/events?after={after}&wait=20")

    assert seconds < 5


def test_under_another_server_a_third_one_that_waits_is_sent_away_while_questions_are_answered(
    threaded_service: Service, pool: ThreadPoolExecutor
):
    service, after = threaded_service, 1_000
    path = f"/v1/events?after={after}&wait=3"
    held = [pool.submit(service.send, "GET", path) for _ in range(2)]
    await_waiting(service, "hookfold_waiting_requests 2.0")

    refused = service.send("GET", path)

    assert (refused.status, refused.headers["retry-after"], refused.json["parameter"]) == (503, "1", "wait")
    assert service.send("GET", f"/v1/sessions?min_position={after + 9}").status == 503
    assert service.send("GET", "/v1/sessions").status == 200
    assert [one.result().status for one in held] == [200, 200]
    assert service.send("GET", f"/v1/events?after={after}&wait=1").status == 200
