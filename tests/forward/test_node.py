"""A real MentraOS app (@mentra/sdk) behind us, and receivers of Standard Webhooks from npm."""

import asyncio
import json
import shutil
import subprocess
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from adapters.providers import sign_svix
from tests.forward.test_service import CONFIGURATION, growth_of_an_upload
from tests.support.handler import PATIENCE, Handler
from tests.support.house import SECRET, House, pushed, start, stop
from tests.support.proxied import Proxy, proxied
from tests.support.relayed import Relay
from tests.support.service import free_port, running

FOLDER = Path(__file__).parents[1] / "node"
NODE = shutil.which("node")
pytestmark = pytest.mark.skipif(
    NODE is None or not (FOLDER / "node_modules" / ".package-lock.json").is_file(),
    reason="NOT TRIED: needs Node.js, and `make receivers`, which installs what tests/node/package-lock.json names",
)
READY = 120.0


class App:
    """The app's process. `heard`: what it got, in order; `cloud`: the port of what it connects to."""

    def __init__(self, process: "subprocess.Popen[str]", port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.heard: Queue[Any] = Queue()
        self.let_go = threading.Event()
        self._ready: Queue[Any] = Queue()
        threading.Thread(target=self._listen, args=[process], daemon=True).start()
        self.cloud = self._ready.get(timeout=READY)["cloud"]

    def _listen(self, process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith('{"tells":true'):
                told = json.loads(line)
                (self._ready if "ready" in told else self.heard).put(told)

    def next(self) -> bytes:
        return b64decode(self.heard.get(timeout=PATIENCE)["body"])


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    port = free_port()
    with subprocess.Popen(
        [str(NODE), str(FOLDER / "app.mjs"), str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            yield App(process, port)
        finally:
            process.kill()


def request(app: App, user: str, path: str = "app-ws") -> bytes:
    return json.dumps(start(user) | {"mentraOSWebsocketUrl": f"ws://127.0.0.1:{app.cloud}/{path}"}).encode()


def through(house: House, app: App, **more: Any) -> Any:
    return proxied(house, app, ("captions",), **more)  # type: ignore[arg-type]  # only its URL is asked for


def outcome(proxy: Proxy) -> tuple[str, str]:
    """The type of the last event, and the state of the session."""
    *_, last = proxy.recorded(2)
    return last["type"], proxy.session()["state"]


def test_a_session_starts_and_stops_and_its_state_follows(small_house: House, app: App):
    began, ended = request(app, "ann"), json.dumps(stop("ann")).encode()
    with through(small_house, app) as proxy:
        status, _, answer = proxy.ask("POST", "/in/captions/webhook", began, {"content-type": "application/json"})
        active = outcome(proxy)
        stopped_with = proxy.deliver(ended)
        stopped = outcome(proxy)
        health = proxy.ask("GET", "/in/captions/health")

    assert (status, json.loads(answer), stopped_with) == (200, {"status": "success"}, 200)
    assert (active, stopped) == (("handler_succeeded", "active"), ("handler_succeeded", "stopped"))
    assert (app.next(), app.next()) == (began, ended)
    assert (health[0], json.loads(health[2])["status"]) == (200, "healthy")


def test_what_the_app_refuses_comes_back_as_it_is(small_house: House, app: App):
    strange = json.dumps(start("bob") | {"type": "server_heartbeat", "registrationId": "r"}).encode()
    failing = json.dumps(stop("bob", reason="throw")).encode()
    with through(small_house, app) as proxy:
        refused = proxy.ask("POST", "/in/captions/webhook", strange, {"content-type": "application/json"})
        proxy.recorded(2)
        failed = proxy.ask("POST", "/in/captions/webhook", failing, {"content-type": "application/json"})
        proxy.recorded(2)

    assert (refused[0], json.loads(refused[2])["message"]) == (400, "Unknown webhook request type")
    assert (failed[0], json.loads(failed[2])["message"]) == (500, "Failed to process stop request")
    assert (app.next(), app.next()) == (strange, failing)


def test_an_app_whose_cloud_says_nothing_is_a_504_and_the_session_failed(small_house: House, app: App):
    with through(small_house, app, within=0.5) as proxy:
        status = proxy.deliver(request(app, "eve", "silent"))
        told = outcome(proxy)

    assert (status, told) == (504, ("handler_failed", "failed"))
    app.next()


def test_a_photo_of_ten_megabytes_passes_through(small_house: House, app: App):
    photo = bytes(range(256)) * 40_960
    form = b'--b\r\nContent-Disposition: form-data; name="requestId"\r\n\r\nnobody-asked\r\n--b\r\n'
    form += b'Content-Disposition: form-data; name="photo"; filename="p.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = form + photo + b"\r\n--b--\r\n"
    with through(small_house, app) as proxy:
        status, _, answer = proxy.ask(
            "POST", "/in/captions/photo-upload", body, {"content-type": "multipart/form-data; boundary=b"}
        )

    heard = app.heard.get(timeout=PATIENCE)
    assert (heard["heard"], heard["size"]) == ("/photo-upload", len(body))
    assert 200 <= status < 500, answer
    assert small_house.get("/v1/events")["data"] == []


def test_it_passes_through_a_service_that_grows_by_none_of_it(sqlite_url: str, tmp_path: Path, app: App):
    begin = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="p.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    body = begin + bytes(10 << 20) + b"\r\n--b--\r\n"
    configuration = CONFIGURATION.format(url=app.url)
    with running(sqlite_url, tmp_path / "service", configuration=configuration) as service:
        growth_of_an_upload(service, body, "multipart/form-data; boundary=b")  # the first one pays for imports
        grown = growth_of_an_upload(service, body, "multipart/form-data; boundary=b")

    assert [app.heard.get(timeout=PATIENCE)["size"] for _ in range(2)] == [len(body)] * 2
    assert grown < 2 << 20


def test_receivers_from_npm_take_what_is_proxied_and_what_is_relayed(small_house: House, behind: Handler):
    body = json.dumps(pushed("a")).encode()
    with proxied(small_house, behind, ("energy",)) as proxy:
        headers = sign_svix(SECRET, "msg_1", proxy.now(), body)
        assert proxy.ask("POST", "/in/energy", body, headers)[0] == 200
        proxy.recorded(2)
    old = small_house.entry("energy", pushed("b"), "msg_2")
    old.headers, old.relay = list(sign_svix(SECRET, "msg_2", 1_600_000_000, old.body).items()), ""
    small_house.log.append([old])
    asyncio.run(Relay(small_house, behind.url, "energy").until(lambda: behind.heard.qsize() == 2))

    for heard in (behind.next(), behind.next()):
        told = {name.decode(): value.decode() for name, value in heard.headers.items()}
        asked = json.dumps({"secret": SECRET, "headers": told, "body": b64encode(heard.body).decode()})
        verified = subprocess.run(
            [str(NODE), str(FOLDER / "verify.mjs")], input=asked, capture_output=True, text=True, check=False
        )
        assert verified.stdout == "verified", verified.stderr
