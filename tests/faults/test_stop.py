"""A service that is told to stop stops, whatever its processes are doing then."""

import os
import shutil
import signal
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.server.processes.pulse import EVERY
from tests.support.launcher import launch
from tests.support.logs import wms
from tests.support.service import CONFIGURATION, READY, Service, free_port, running, surroundings
from tests.support.supervised import await_end

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

RESET = struct.pack("ii", 1, 0)


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


def test_every_process_ends_with_a_main_process_that_had_not_read_their_last_signs_of_life(service: Service):
    children = [child for kind in service.children().values() for child in kind]
    os.kill(service.process.pid, signal.SIGSTOP)
    time.sleep(2 * EVERY)  # each gives one meanwhile

    os.kill(service.process.pid, signal.SIGKILL)

    assert len(children) == 3
    for child in children:
        await_end(child)


def test_a_process_that_is_started_anew_has_the_configuration_of_the_others(service: Service, tmp_path: Path):
    later = CONFIGURATION + '[sources.later]\nprovider = "mentraos"\npackage_name = "com.example.later"\n'
    (tmp_path / "service" / "hookfold.toml").write_text(later)
    for victim in ("server", "writer"):
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


def test_a_service_whose_processes_die_at_their_start_ends_and_says_so(sqlite_url: str, tmp_path: Path):
    broken = (
        "import os; os.dup2(os.open(os.devnull, os.O_WRONLY), 1); "
        "import wiring.processes, adapters.server.processes.child; "
        "adapters.server.processes.child._PAUSE = 0.001; "
        "wiring.processes.wire_handed = None; "
        "from app import main; main()"
    )
    env = surroundings(sqlite_url, tmp_path / "service") | {"HOOKFOLD_PORT": str(free_port())}

    with (tmp_path / "stderr").open("wb") as stderr:
        code = launch(broken, ["serve"], env, stderr).wait(READY)

    told = (tmp_path / "stderr").read_text()
    assert code == 1
    assert "Error: the service gave up: " in told
    assert "_died: 8 times at its start, with status 1; see the lines above" in told
