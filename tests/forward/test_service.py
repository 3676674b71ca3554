"""A whole service before a handler, in processes of its own."""

import json
import os
import re
import signal
from pathlib import Path

from tests.support.handler import FINE, handler
from tests.support.house import start
from tests.support.raw import answer_on, connected, request
from tests.support.service import Service, running

CONFIGURATION = """
[sources.captions]
provider = "mentraos"
mode = "proxy"
forward_to = "{url}"

[sources.older]
provider = "augmentos"
"""
BODY = json.dumps(start("ann")).encode()


def test_a_service_stands_before_its_handler_and_no_odd_spelling_of_a_path_gets_around_it(sqlite_url, tmp_path: Path):
    with (
        handler() as behind,
        running(sqlite_url, tmp_path / "service", configuration=CONFIGURATION.format(url=behind.url)) as service,
    ):
        answer = service.send("POST", "/in/captions/webhook", BODY)
        heard = behind.next()
        health = service.send("GET", "/in/captions/health")
        odd = [
            service.send("POST", path, BODY).status
            for path in ("/%69n/captions/webhook", f"http://127.0.0.1:{service.port}/in/captions")
        ]
        recorded = service.send("POST", "/in/older", BODY)
        events = service.get("/v1/events?after=1&wait=5&source=captions")["data"]
        counted = service.send("GET", "/metrics").body.decode()
        grown = growth_of_an_upload(service, b"x" * (10 << 20), "application/octet-stream")
        photo = [behind.next() for _ in range(2)][-1]

    assert (answer.status, answer.body) == (200, FINE.partition(b"\r\n\r\n")[2])
    assert "hookfold-verdict" not in answer.headers
    assert (heard.body, heard.headers[b"hookfold-position"]) == (BODY, b"1")
    assert health.status == 200
    assert odd == [404, 404]
    assert recorded.headers["hookfold-verdict"] == "new"
    assert [one["type"] for one in events] == ["handler_succeeded"]
    assert 'hookfold_forwards_total{outcome="2xx",source="captions"} 1.0' in counted
    assert 'hookfold_passed_total{outcome="2xx",path="/health",source="captions"} 1.0' in counted
    assert (photo.first, len(photo.body)) == (b"POST /photo-upload HTTP/1.1", 10 << 20)
    assert grown < 2 << 20
    assert service.process.returncode == 0


def growth_of_an_upload(service: Service, body: bytes, content_type: str) -> int:
    """By how many bytes a serving process became larger while it passed on an upload, of what it ever held at once."""
    (serving,) = service.children()["server"]
    status = Path(f"/proc/{serving}/status")

    def held(name: str) -> int:
        return int(re.search(rf"^{name}:\s+(\d+) kB$", status.read_text(), re.MULTILINE)[1]) << 10  # type: ignore[index]

    Path(f"/proc/{serving}/clear_refs").write_text("5")  # from now on the peak is that of what follows (proc(5))
    before = held("VmRSS")
    answer = service.send("POST", "/in/captions/photo-upload", body, {"content-type": content_type})
    assert answer.status < 500, answer
    return held("VmHWM") - before


def test_a_process_that_is_killed_while_a_handler_answers_loses_no_webhook_and_doubles_none(sqlite_url, tmp_path: Path):
    with (
        handler() as behind,
        running(sqlite_url, tmp_path / "service", configuration=CONFIGURATION.format(url=behind.url)) as service,
    ):
        behind.answer = behind.hang
        with connected(service.port) as sender:
            sender.sendall(request("/in/captions/webhook", BODY))
            first = behind.next()
            (serving,) = service.children()["server"]
            os.kill(serving, signal.SIGKILL)
            lost = answer_on(sender)
        behind.answer = FINE
        service.await_ready()
        again = service.send("POST", "/in/captions/webhook", BODY)
        second = behind.next()
        events = service.get("/v1/events?after=1&wait=5&source=captions")["data"]

    assert (lost.status, again.status) == (0, 200)
    assert [one.headers[b"hookfold-verdict"] for one in (first, second)] == [b"new", b"duplicate"]
    assert first.body == second.body == BODY
    assert [one["type"] for one in events] == ["handler_succeeded"]


RELAYED = """
[sources.captions]
provider = "mentraos"
mode = "relay"
forward_to = "{url}"
"""


def test_a_relaying_process_that_is_killed_is_started_anew_and_goes_on_in_order(database_url, tmp_path: Path):
    bodies = [json.dumps(start("ann", at=f"22:00:0{number}")).encode() for number in range(3)]
    with (
        handler() as behind,
        running(database_url, tmp_path / "service", configuration=RELAYED.format(url=behind.url)) as service,
    ):
        behind.answer = behind.hang
        answers = [service.send("POST", "/in/captions/webhook?x=1", body) for body in bodies]
        first = behind.next()
        (relaying,) = service.children()["relay"]
        os.kill(relaying, signal.SIGKILL)
        behind.answer = FINE
        again = [behind.next() for _ in range(3)]
        health = service.send("GET", "/in/captions/health")
        told = service.get("/v1/events?after=3&wait=20&source=captions")["data"]
        counted = service.send("GET", "/metrics").body.decode()
        states = [service.get("/v1/relays/summary")["data"][0]["source"], service.get("/v1/relays?state=dead")["data"]]

    assert [one.headers["hookfold-verdict"] for one in answers] == ["new"] * 3
    assert [one.body for one in (first, *again)] == [bodies[0], *bodies]
    assert first.first == b"POST /webhook?x=1 HTTP/1.1"
    assert health.status == 200
    assert told[0]["type"] == "handler_succeeded"
    assert 'hookfold_relay_dead{source="captions"} 0.0' in counted
    assert states == ["captions", []]
    assert service.process.returncode == 0
