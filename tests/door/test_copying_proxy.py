"""The recipes of docs/proxy.md, under a real nginx: a Hookfold that says nothing, or is away, holds up nobody."""

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice
from pathlib import Path
from queue import Queue
from threading import Event, Thread

import pytest

from tests.support.logs import wms
from tests.support.service import PATIENCE as START
from tests.support.service import Answer, free_port, running
from tests.support.sse import Stream

PAGE = Path(__file__).parents[2] / "docs" / "proxy.md"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")
PATIENCE = 5
"""Seconds; nginx gives a copy ten."""


class App(BaseHTTPRequestHandler):
    """The app, which answers at once, over a connection that may stay."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "4")
        self.end_headers()
        self.wfile.write(b"done")

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.skipif(NGINX is None, reason="NOT TRIED: there is no nginx here; install Debian's package `nginx`")
def test_a_hookfold_that_says_nothing_holds_up_no_webhook(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as hookfold, app() as theirs:
        hookfold.settimeout(PATIENCE)
        with nginx(tmp_path, theirs, hookfold.getsockname()[1]) as port:
            sender = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            answers = [post(sender) for _ in range(3)]
            copies = [hookfold.accept()[0] for _ in range(3)]
            heads = [copy.recv(65_536).partition(b"\r\n")[0] for copy in copies]
            sender.close()
            for copy in copies:
                copy.close()

    assert answers == [b"done"] * 3
    assert heads == [b"POST /in/captions HTTP/1.0"] * 3


@pytest.mark.skipif(NGINX is None, reason="NOT TRIED: there is no nginx here; install Debian's package `nginx`")
def test_who_follows_through_a_proxy_is_told_to_come_back_while_hookfold_is_away(tmp_path: Path):
    with nginx(tmp_path, free_port(), free_port(), recipe=1) as port:
        reader = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        reader.request("GET", "/v1/events/stream?after=0", headers={"Last-Event-ID": "41"})
        stream = reader.getresponse()
        told = (stream.status, stream.headers["content-type"], stream.read())
        reader.request("POST", "/in/captions", b"{}")
        delivery = reader.getresponse()
        delivery.read()
        reader.close()

    assert told == (200, "text/event-stream", b"retry: 2000\n\n")
    assert delivery.status == 502


@pytest.mark.skipif(NGINX is None, reason="NOT TRIED: there is no nginx here; install Debian's package `nginx`")
def test_who_follows_through_a_proxy_has_every_event_once_over_a_restart(sqlite_url: str, tmp_path: Path):
    hookfold, followed, away = free_port(), Queue[int](), Event()
    (tmp_path / "nginx").mkdir()
    with nginx(tmp_path / "nginx", free_port(), hookfold, recipe=1) as port, ThreadPoolExecutor(1) as pool:
        with running(sqlite_url, tmp_path / "service", port=hookfold) as service:
            following = pool.submit(follow, port, 4, followed, away)
            positions = [position_of(service.wms(wms("s", number))) for number in range(2)]
            seen = [followed.get(timeout=START) for _ in positions]
        assert away.wait(START)
        with running(sqlite_url, tmp_path / "service", port=hookfold) as service:
            positions += [position_of(service.wms(wms("s", number))) for number in range(2, 4)]
            seen += [followed.get(timeout=START) for _ in range(2)]
            following.result(START)

    assert seen == positions
    assert followed.empty()


def follow(port: int, count: int, followed: Queue[int], away: Event) -> None:
    """As an EventSource does, which takes any other answer than a stream for final; so does `Stream`.

    `away`: a stream has ended in which nothing came.
    """
    last = None
    while count:
        before = count
        with Stream(port, "?after=0", last) as stream:
            for message in islice(stream.messages(), count):
                last = message.id
                followed.put(last)
                count -= 1
        if last and count == before:
            away.set()
            time.sleep(0.05)  # as it was told to, but for shorter


def position_of(answer: Answer) -> int:
    return int(answer.headers["hookfold-position"])


def post(sender: HTTPConnection) -> bytes:
    sender.request("POST", "/webhook", b'{"type":"stop_request"}', {"content-type": "application/json"})
    return sender.getresponse().read()


@contextmanager
def app() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), App) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@contextmanager
def nginx(folder: Path, theirs: int, hookfold: int, recipe: int = 0) -> Iterator[int]:
    """One of the page's recipes, with these ports instead of its own, on a free one."""
    text = re.findall(r"```nginx\n(.*?)```", PAGE.read_text(), re.DOTALL)[recipe]
    text = text.replace(":3000", f":{theirs}").replace(":8400", f":{hookfold}")
    port = free_port()
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    server = f"server {{ listen 127.0.0.1:{port}; {text} }}"
    http = f"http {{ access_log off; {temporary} {server} }}"
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} {http}")
    process = subprocess.Popen([str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    try:
        while not listens(port):
            assert process.poll() is None, (folder / "log").read_text()
        yield port
    finally:
        process.terminate()
        process.wait()


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
