"""`/v1/events/stream`: whoever follows it sees every event once, and holds a slot for as long as he is there."""

import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.logs import wms
from tests.support.raw import connected, exchange, request
from tests.support.service import FRONTS, Service, running
from tests.support.services import BACKENDS, Services
from tests.support.sse import STREAM, Message, Stream

SENT = 60
"""Events of each of two senders."""
LONG, MANY = "\U0001f600" * 500, 700
"""A word, and a number of events that have it twice: more than sockets take that nobody reads."""


@pytest.fixture(params=BACKENDS)
def service(request: pytest.FixtureRequest, services: Services) -> Service:
    return services[f"serve-{request.param}"]


@pytest.fixture(params=FRONTS)
def any_service(request: pytest.FixtureRequest, services: Services) -> Service:
    """Ours, and the same application under a server of another make."""
    return services[f"{request.param}-sqlite"]


@pytest.fixture
def own_service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    """One that the test stops."""
    with running(database_url, tmp_path / "service") as service:
        yield service


@pytest.fixture
def threaded_service(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """Under a server of another make, where whoever follows holds a thread."""
    with running(sqlite_url, tmp_path / "service", front="wsgi") as service:
        yield service


@pytest.fixture
def one_service(services: Services) -> Service:
    """For what no database has a part in."""
    return services["serve-sqlite"]


@pytest.fixture
def own_one_service(sqlite_url: str, tmp_path: Path) -> Iterator[Service]:
    """For the same, where the test stops it."""
    with running(sqlite_url, tmp_path / "service") as service:
        yield service


def send(service: Service, session: str, count: int = SENT) -> None:
    for number in range(count):
        assert service.wms(wms(session, number)).status == 200


def await_waiting(service: Service, count: int) -> None:
    """Until so many follow or wait."""
    deadline = time.monotonic() + 20
    while f"hookfold_waiting {count}.0\n".encode() not in service.send("GET", "/metrics").body:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def that_wait(service: Service, *paths: str) -> list[socket.socket]:
    """Clients that wait by now."""
    clients = [connected(service.port) for _ in paths]
    for client, path in zip(clients, paths, strict=True):
        client.sendall(request(path, method="GET", length=""))
    await_waiting(service, len(paths))
    return clients


def test_a_reader_sees_each_event_once_and_in_order_while_two_write_and_he_comes_back(service: Service, name: str):
    head = service.head()
    seen: list[Message] = []
    with ThreadPoolExecutor(2) as pool:
        writing = [pool.submit(send, service, session) for session in (f"{name}-left", f"{name}-right")]
        while len(seen) < 2 * SENT:
            with Stream.back(service.port, f"?after={head}", seen[-1].id if seen else None) as stream:
                seen += stream.take(min(40, 2 * SENT - len(seen)))
        for one in writing:
            one.result()

    assert [message.id for message in seen] == service.positions(head)


def test_a_message_is_what_the_list_tells(any_service: Service, name: str):
    head = any_service.head()
    any_service.wms(wms(name, 0, "NEW\r\nEVENT\n\ndata: x"))
    any_service.wms(f'{{"timestamp": "{name}",}}'.encode())
    page = any_service.get(f"/v1/events?after={head}")["data"]

    assert len(page) == 2
    with Stream(any_service.port, f"?after={head}") as stream:
        messages = stream.take(len(page))

    assert messages == [Message(event["position"], event, None) for event in page]


def test_the_filters_of_the_list_let_through_what_they_let_through_there(service: Service, name: str):
    with Stream(service.port, f"?source=clinic&session_id={name}") as stream:
        service.wms(wms(f"not-{name}", 0))
        service.wms(wms(name, 0))
        service.wms(wms(name, 0), source="browser")
        service.wms(wms(name, 1))

        told = [message.data for message in stream.take(2)]

    assert [(event["source"], event["session_id"], event["sequence"]) for event in told] == [
        ("clinic", name, 0),
        ("clinic", name, 1),
    ]


def test_the_head_of_a_stream_is_told_without_one(any_service: Service):
    answers = [any_service.send("HEAD", STREAM) for _ in range(3)]

    assert [(answer.status, answer.body) for answer in answers] == [(200, b"")] * 3
    assert answers[0].headers["cache-control"] == "no-store"
    assert {"etag", "content-length"}.isdisjoint(answers[0].headers)
    with connected(any_service.port) as client:
        client.sendall(request(STREAM, method="HEAD", length="") + b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"0\r\n" not in client.recv(65_536).partition(b"\r\n\r\n")[2][:3]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9223372036854775808", "9" * 5000, "1 2"])
def test_what_was_seen_last_has_to_be_a_position(one_service: Service, last: str):
    answer = one_service.send("GET", f"{STREAM}?after=0", headers={"Last-Event-ID": last})

    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["parameter"] == "Last-Event-ID"


@pytest.mark.parametrize("last", ["", " "])
def test_whoever_has_seen_nothing_yet_may_say_so(any_service: Service, last: str):
    assert any_service.send("HEAD", STREAM, headers={"Last-Event-ID": last}).status == 200


def test_a_stream_takes_no_pages_and_no_waiting(one_service: Service):
    for name in ("wait", "limit", "cursor"):
        assert one_service.send("GET", f"{STREAM}?{name}=1").json["parameter"] == name


def test_under_another_server_a_third_stream_is_sent_away_while_questions_are_answered(threaded_service: Service):
    service = threaded_service
    with Stream(service.port), Stream(service.port) as second:
        refused = service.send("GET", STREAM)

        assert (refused.status, refused.headers["retry-after"]) == (503, "1")
        assert refused.headers["content-type"] == "application/problem+json"
        assert [service.send("GET", "/v1/sessions").status for _ in range(20)] == [200] * 20
        assert service.send("GET", "/v1/events?after=1000&wait=1").status == 503
        service.wms(wms("s", 0))
        assert second.take(1)

    assert b'route="/v1/events/stream",status="200"' in service.send("GET", "/metrics").body


@pytest.mark.parametrize("path", [f"{STREAM}?after=100000", "/v1/events?after=100000&wait=30"])
def test_a_client_that_left_is_followed_no_longer(service: Service, path: str):
    for client in that_wait(service, path, path):
        client.close()

    await_waiting(service, 0)


def test_a_service_with_open_streams_is_told_to_stop_and_stops(own_service: Service):
    service, page = own_service, "/v1/events?after=100000&wait=30"
    clients = that_wait(service, f"{STREAM}?after=0", f"{STREAM}?after=0", page, page)

    began = time.monotonic()
    service.process.send_signal(signal.SIGTERM)

    answers = [client.makefile("rb").read() for client in clients]
    for client in clients:
        client.close()
    assert service.process.wait(20) == 0
    assert time.monotonic() - began < 6
    assert all(b"200 OK" in answer and answer.endswith((b"0\r\n\r\n", b"null}")) for answer in answers)


def test_a_reader_who_does_not_read_holds_neither_others_nor_the_end_of_the_service(own_one_service: Service):
    one_service = own_one_service
    for number in range(MANY):
        assert one_service.wms(wms(LONG, number, LONG)).status == 200
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        slow.connect(("127.0.0.1", one_service.port))
        slow.sendall(request(f"{STREAM}?after=0", method="GET", length=""))
        with Stream(one_service.port) as quick:
            told = [message.data for message in quick.take(MANY)]
        assert one_service.send("GET", "/v1/sessions").status == 200

        began = time.monotonic()
        one_service.process.send_signal(signal.SIGTERM)
        assert one_service.process.wait(20) == 0

    assert {event["type"] for event in told} == {LONG}
    assert time.monotonic() - began < 6


def test_without_chunks_a_stream_ends_with_its_connection(own_one_service: Service):
    one_service = own_one_service
    one_service.wms(wms("s", 0))
    with connected(one_service.port) as client:
        client.sendall(f"GET {STREAM} HTTP/1.0\r\n\r\n".encode())
        told = b""
        while b"data: " not in told or not told.endswith(b"\n\n"):
            told += client.recv(65_536)
        one_service.process.send_signal(signal.SIGTERM)
        rest = client.recv(65_536)

    head, _, body = told.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head.lower()
    assert body.startswith(b"retry: 1000\nid: 1\ndata: ")
    assert json.loads(body.splitlines()[2].removeprefix(b"data: "))["position"] == 1
    assert rest == b""


def test_what_is_asked_behind_a_stream_waits_for_its_end(one_service: Service):
    with connected(one_service.port) as client:
        client.sendall(request(STREAM, method="GET", length="") + request("/healthz", method="GET", length=""))
        one_service.wms(wms("behind", 0))
        begun = b""
        while b"data: " not in begun:
            begun += client.recv(65_536)

    assert begun.count(b"HTTP/1.1 200 OK") == 1
    assert exchange(one_service.port, request("/healthz", method="GET", length="")).status == 200


def test_the_reader_of_the_documentation_follows_over_a_restart(sqlite_url: str, tmp_path: Path):
    document = (Path(__file__).parents[2] / "docs" / "follow.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", document, re.DOTALL)
    written: dict[str, Any] = {}
    exec(code, written)

    with running(sqlite_url, tmp_path / "service") as service:
        service.wms(wms("s", 0))
        port, followed = service.port, written["follow"](f"http://127.0.0.1:{service.port}", 0)
        first = next(followed)
    with running(sqlite_url, tmp_path / "service", port=port) as service:
        service.wms(wms("s", 1))
        second = next(followed)
        while second["session_id"] != "s":
            second = next(followed)
        followed.close()

    assert (first["position"], first["sequence"], second["sequence"]) == (1, 0, 1)
