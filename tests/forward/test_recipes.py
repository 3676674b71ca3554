"""docs/recipes/nginx-front.conf under a real nginx: what the cloud asks goes through us, everything else past us."""

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.handler import Handler
from tests.support.house import House
from tests.support.proxied import Proxy, proxied
from tests.support.service import free_port

RECIPE = Path(__file__).parents[2] / "docs" / "recipes" / "nginx-front.conf"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


@pytest.mark.skipif(NGINX is None, reason="NOT TRIED: there is no nginx here; install Debian's package `nginx`")
def test_what_the_cloud_asks_goes_through_us_and_everything_else_past_us(
    small_house: House, behind: Handler, tmp_path: Path
):
    with (
        proxied(small_house, behind, ("captions",)) as proxy,
        nginx(tmp_path, behind.port, proxy.port) as port,
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


@contextmanager
def nginx(folder: Path, theirs: int, hookfold: int) -> Iterator[int]:
    """The recipe, with these ports instead of its own, on a free one."""
    recipe = RECIPE.read_text().replace(":3000", f":{theirs}").replace(":8400", f":{hookfold}")
    port = free_port()
    temporary = "\n".join(
        f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    http = f"http {{ access_log off; {temporary} server {{ listen 127.0.0.1:{port};\n{recipe} }} }}"
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
