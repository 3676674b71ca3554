"""A crowd of clients that are slow or greedy takes neither the memory nor the descriptors of those that go on.

`CROWD` in the environment: how many clients of each kind; 9,990 is the full size, for a process has room for 10,000.
"""

import os
import resource
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.support.logs import wms
from tests.support.raw import answer_on, connected, request
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

CROWD = int(os.environ.get("CROWD", "100"))
MOST_MEGABYTES = 400
"""Of the process that serves; by far more would be held if any kind counted for nothing."""

BODY = b"x" * 250_000
KINDS: dict[str, Callable[[int], bytes]] = {
    "silent": lambda _: b"",
    "half a head": lambda _: b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\nX-Long: " + b"x" * 60_000,
    "tiny headers": lambda _: b"POST /in/clinic HTTP/1.1\r\nHost: example.com\r\n" + b"a:b\r\n" * 10_000,
    "half a body": lambda _: request("/in/captions", BODY, length=262_144),
    "bytes in chunks": lambda _: (
        b"POST /in/captions HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"1\r\nx\r\n" * 50_000
    ),
    "ahead of its answers": lambda _: request("/v1/events?wait=20", method="GET") + request("/in/captions", BODY) * 4,
    "tiny requests": lambda _: b"GET /v1/events?wait=20 HTTP/1.1\r\nHost: example.com\r\n\r\n" * 300,
    "answers not taken": lambda _: b"GET /openapi.json HTTP/1.1\r\nHost: example.com\r\n\r\n" * 300,
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("crowd")
    with running(f"sqlite:///{folder}/hookfold.db", folder / "service") as service:
        yield service


@pytest.mark.parametrize("kind", KINDS)
def test_the_memory_that_a_crowd_takes_is_bounded_and_others_are_served(service: Service, kind: str):
    (serving,) = service.children()["server"]
    with ExitStack() as stack:
        for number in range(CROWD):
            _send(stack.enter_context(connected(service.port)), KINDS[kind](number))

        answer = service.wms(wms(f"{kind}", CROWD))

        assert answer.status == 200
        assert _megabytes(serving, "VmHWM") < MOST_MEGABYTES
    assert service.children()["server"] == [serving]


def test_more_silent_clients_than_descriptors_keep_nobody_out(database_url: str, tmp_path: Path):
    limits = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)); "
    with running(database_url, tmp_path / "service", before=limits) as service, ExitStack() as stack:
        silent = [stack.enter_context(connected(service.port)) for _ in range(400)]

        answers = [service.wms(wms("s", number)).status for number in range(20)]

        assert answers == [200] * 20
        assert answer_on(silent[0]).status == 0
        assert silent[0].recv(1) == b""
        told = service.send("GET", "/metrics").body.decode()
        assert 'hookfold_connections_shed_total{reason="descriptors"}' in told
        assert "connections_shed" in service.log.read_text()
        assert service.get("/readyz")["status"] == "ok"


def test_the_soft_limit_of_descriptors_is_raised(sqlite_url: str, tmp_path: Path):
    limits = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048)); "
    with running(sqlite_url, tmp_path / "service", before=limits) as service:
        (serving,) = service.children()["server"]

        assert resource.prlimit(serving, resource.RLIMIT_NOFILE) == (2048, 2048)


def _send(connection: socket.socket, data: bytes) -> None:
    """As much as is taken at once."""
    connection.setblocking(False)
    with suppress(BlockingIOError, ConnectionError):
        while data:
            data = data[connection.send(data) :]


def _megabytes(process: int, name: str) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise AssertionError(name)
