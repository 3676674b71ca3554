"""The recipes of docs/proxy.md, under a real nginx: a Hookfold that says nothing, or is away, holds up nobody."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.service import free_port

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
