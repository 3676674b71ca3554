"""docs/recipes under the real programs: what the cloud asks goes through us, everything else past us."""

import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.support.handler import Handler
from tests.support.house import House
from tests.support.proxied import Proxy, proxied
from tests.support.service import free_port

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin"
NGINX, CADDY = (shutil.which(name, path=PLACES) or shutil.which(name) for name in ("nginx", "caddy"))

Front = Callable[[Path, int, int], AbstractContextManager[int]]
"""(folder, the handler's port, Hookfold's port) -> the port that it listens on"""


@contextmanager
def nginx(folder: Path, theirs: int, hookfold: int) -> Iterator[int]:
    """The recipe, with these ports instead of its own, on a free one."""
    port = free_port()
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    recipe = _recipe("nginx-front.conf", theirs, hookfold)
    http = f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port};\n{recipe} }} }}"
    (folder / "nginx.conf").write_text(f"daemon off; pid {folder}/pid; error_log {folder}/log; events {{}} {http}")
    with _running([str(NGINX), "-p", str(folder), "-c", str(folder / "nginx.conf")], folder, port):
        yield port


@contextmanager
def caddy(folder: Path, theirs: int, hookfold: int) -> Iterator[int]:
    """The same, without a certificate."""
    port = free_port()
    recipe = _recipe("Caddyfile-front", theirs, hookfold).replace("app.example.com", f"http://127.0.0.1:{port}")
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tstorage file_system {folder}\n}}\n{recipe}")
    with _running([str(CADDY), "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"], folder, port):
        yield port


def tried(front: Front, program: str | None) -> object:
    name = getattr(front, "__name__", "")
    missing = f"NOT TRIED: there is no {name} here; install Debian's package `{name}`"
    return pytest.param(front, marks=pytest.mark.skipif(program is None, reason=missing), id=name)


@pytest.mark.parametrize("front", [tried(nginx, NGINX), tried(caddy, CADDY)])
def test_what_the_cloud_asks_goes_through_us_and_everything_else_past_us(
    small_house: House, behind: Handler, tmp_path: Path, front: Front
):
    with (
        proxied(small_house, behind, ("captions",)) as proxy,
        front(tmp_path, behind.port, proxy.port) as port,
    ):
        outside = Proxy(port, behind, small_house, proxy.link, proxy.site)
        status = outside.deliver(path="/webhook?a=1")
        proxy.recorded(2)
        health = outside.ask("GET", "/health")[0]
        upload = outside.ask("POST", "/photo-upload", b"x" * 2_000_000, {"content-type": "multipart/form-data; b=b"})[0]
        page = outside.ask("GET", "/webview?x=%2F")[0]
        heard = [behind.next() for _ in range(4)]

    assert (status, health, upload, page) == (200, 200, 200, 200)
    targets = [one.first.split()[1] for one in heard]
    assert targets == [b"/webhook?a=1", b"/health", b"/photo-upload", b"/webview?x=%2F"]
    assert (heard[0].headers[b"hookfold-verdict"], len(heard[2].body)) == (b"new", 2_000_000)
    assert b"hookfold-verdict" not in heard[3].headers
    assert [one["type"] for one in small_house.get("/v1/events")["data"]] == ["session_request", "handler_succeeded"]


def _recipe(name: str, theirs: int, hookfold: int) -> str:
    return (RECIPES / name).read_text().replace(":3000", f":{theirs}").replace(":8400", f":{hookfold}")


@contextmanager
def _running(command: Sequence[str], folder: Path, port: int) -> Iterator[None]:
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        while not _listens(port):
            assert process.poll() is None, (folder / "output").read_text()
        yield
    finally:
        process.terminate()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
