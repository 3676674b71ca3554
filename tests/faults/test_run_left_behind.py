"""A run of the tests leaves the machine as it was, killed or not."""

import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.janitor import lives, processes_of
from tests.support.run import Run

HOUSE = Path(__file__).parents[2]
A_RUN = """
import subprocess, sys
from tests.support.postgres import Postgres
from tests.support.run import Run

with Run() as run, Postgres() as postgres:
    stray = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    url = postgres.url(postgres.create())
    (server,) = run.folder.glob("*/postmaster.pid")
    print(run.folder, stray.pid, server.read_text().split()[0], postgres.ask(url, "SHOW timezone"), sep="\\n")
    sys.stdout.flush()
    sys.stdin.read()
"""


CHAOS = ["-m", "tests.endurance.chaos", "--database", "sqlite", "--faults", "1000", "--kinds", "kill"]


@pytest.mark.skipif(sys.platform != "linux", reason="the janitor finds processes in /proc")
def test_nothing_is_left_of_chaos_whose_process_group_is_killed():
    temporary = Path(tempfile.mkdtemp())  # a short name, and open to all, is taken for a run's place
    temporary.chmod(0o711)
    env = os.environ | {"TMPDIR": str(temporary)}
    chaos = subprocess.Popen(
        [sys.executable, *CHAOS], env=env, stdout=subprocess.PIPE, text=True, cwd=HOUSE, start_new_session=True
    )
    assert chaos.stdout
    while "killed" not in chaos.stdout.readline():
        assert chaos.poll() is None
    assert _of(temporary)

    os.killpg(chaos.pid, signal.SIGKILL)
    chaos.communicate()  # ends with the last process that has its output: the janitors of both runs

    assert _of(temporary) == []
    temporary.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="the janitor finds processes in /proc")
def test_a_run_that_lies_outside_the_one_around_it_keeps_its_janitor(monkeypatch: pytest.MonkeyPatch):
    with Run() as around:
        monkeypatch.setattr("tests.support.run.LONGEST", 0)
        with Run() as inner:
            assert not inner.folder.is_relative_to(around.folder)
            assert inner.janitor.pid not in processes_of(around.folder)


def _of(temporary: Path) -> list[str]:
    """The processes that have a temporary directory below that one."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if b"TMPDIR=" + os.fsencode(temporary) in file.read_bytes():
                found.append(file.parent.name)
    return found


@pytest.mark.parametrize(
    ("temporary", "killed"),
    [("with a space", False), ("so long a name that no socket fits into it" * 2, True)],
)
def test_nothing_is_left(tmp_path: Path, temporary: str, killed: bool):
    accounts = Path("/etc/passwd").read_bytes()
    (tmp_path / temporary).mkdir()
    (tmp_path / "home").mkdir(mode=0o500)
    env = os.environ | {"TMPDIR": str(tmp_path / temporary), "HOME": str(tmp_path / "home")}

    run = subprocess.Popen(
        [sys.executable, "-c", A_RUN], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=HOUSE
    )
    assert run.stdout
    folder, *processes, zone = (run.stdout.readline().rstrip("\n") for _ in range(4))
    assert zone == "Asia/Tokyo"
    if killed:
        run.send_signal(signal.SIGKILL)
    run.communicate()  # ends with the last process that has its output: all that the run started

    assert run.returncode == (-signal.SIGKILL if killed else 0)
    assert not Path(folder).exists()
    assert list((tmp_path / temporary).iterdir()) == []
    assert [process for process in processes if lives(int(process))] == []
    assert Path("/etc/passwd").read_bytes() == accounts
