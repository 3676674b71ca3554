"""A service that is told to stop stops, whatever its processes are doing then."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Queue
from threading import Event
from typing import Any

import pytest

from adapters.server.process import Supervisor
from tests.support.logs import wms
from tests.support.service import CONFIGURATION, Service, free_port, running, surroundings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

RESET = struct.pack("ii", 1, 0)
SLEEPS = [sys.executable, "-c", "import sys; sys.stdin.read()"]
DIES = [sys.executable, "-c", ""]


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    with running(database_url, tmp_path / "service") as service:
        yield service


def leave(service: Service, path: str) -> None:
    """Asks, and is gone before the answer."""
    with socket.create_connection(("127.0.0.1", service.port)) as client:
        client.sendall(f"GET {path} HTTP/1.1\r\nHost: example.com\r\n\r\n".encode())
        time.sleep(0.002)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def kill(service: Service, which: str) -> None:
    """Returns when somebody has seen that it died."""
    (killed,) = service.children()[which]
    os.kill(killed, signal.SIGKILL)
    while Path(f"/proc/{killed}").exists():
        pass


def test_clients_that_left_while_a_thread_asked_the_writer_do_not_keep_it(service: Service):
    for _ in range(16):
        leave(service, "/readyz")

    service.process.send_signal(signal.SIGTERM)

    assert service.process.wait(15) == 0


def test_a_process_that_is_started_anew_has_the_configuration_of_the_others(service: Service, tmp_path: Path):
    later = CONFIGURATION + '[sources.later]\nprovider = "mentraos"\npackage_name = "com.example.later"\n'
    (tmp_path / "service" / "hookfold.toml").write_text(later)
    for victim in ("serving", "writer"):
        kill(service, victim)
    service.await_ready()

    assert service.glasses({"type": "session_request"}, "later").status == 404
    assert service.wms(wms("s", 0)).status == 200


def test_a_service_leans_on_nothing_in_the_temporary_folder(
    monkeypatch: pytest.MonkeyPatch, database_url: str, tmp_path: Path
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with running(database_url, tmp_path / "service") as service:
        found = [*temporary.iterdir()]
        for each in found:
            shutil.rmtree(each)
        kill(service, "writer")
        service.await_ready()

        assert service.wms(wms("s", 0)).status == 200
    assert found == []


def test_one_that_is_told_to_stop_while_a_process_is_started_anew_stops(
    monkeypatch: pytest.MonkeyPatch,
):
    keeper = Supervisor(DIES, None, {}, "died", pytest.fail)
    started, starting = subprocess.Popen.__init__, Event()

    def slowly(self: Any, *arguments: Any, **named: Any) -> None:
        starting.set()
        time.sleep(0.5)
        started(self, *arguments, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", slowly)
    keeper._command = SLEEPS
    starting.wait()

    keeper.stop()

    assert keeper._process.poll() is not None


def test_a_process_that_cannot_be_started_anew_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
):
    keeper = Supervisor(DIES, None, {}, "died", pytest.fail)
    started, failures = subprocess.Popen.__init__, [OSError(24, "Too many open files")] * 2

    def scarcely(self: Any, *arguments: Any, **named: Any) -> None:
        if failures:
            raise failures.pop()
        started(self, *arguments, **named)

    monkeypatch.setattr(subprocess.Popen, "__init__", scarcely)
    keeper._command = SLEEPS
    dead = keeper._process

    deadline = time.monotonic() + 10
    while keeper._process is dead:
        assert time.monotonic() < deadline, "nothing was started"
        time.sleep(0.02)

    assert not failures
    assert keeper._process.poll() is None
    keeper.stop()


def test_a_process_that_dies_at_its_start_again_and_again_is_given_up(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("adapters.server.process._PAUSE", 0.001)
    given_up: Queue[str] = Queue()
    keeper = Supervisor(DIES, None, {}, "died", given_up.put)

    assert given_up.get(timeout=30) == "died: 8 times at its start, with status 0; see the lines above"
    keeper.stop()


def test_a_process_that_is_killed_is_started_anew_as_often_as_it_takes(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("adapters.server.process._PAUSE", 0.001)
    keeper = Supervisor(SLEEPS, None, {}, "died", pytest.fail)

    for _ in range(12):
        killed = keeper._process
        killed.kill()
        deadline = time.monotonic() + 10
        while keeper._process is killed:
            assert time.monotonic() < deadline, "nothing was started"
            time.sleep(0.002)

    assert keeper._process.poll() is None
    keeper.stop()


def test_a_service_whose_processes_die_at_their_start_ends_and_says_so(sqlite_url: str, tmp_path: Path):
    broken = (
        "import sys, adapters.server.process; "
        "adapters.server.process._PAUSE = 0.001; "
        f"sys.executable = {shutil.which('false')!r}; "
        "from app import main; main()"
    )
    env = surroundings(sqlite_url, tmp_path / "service") | {"HOOKFOLD_PORT": str(free_port())}

    ended = subprocess.run(
        [sys.executable, "-c", broken, "serve"], env=env, capture_output=True, text=True, check=False
    )

    assert ended.returncode == 1
    assert "Error: the service gave up: " in ended.stderr
    assert "_died: 8 times at its start, with status 1; see the lines above" in ended.stderr
