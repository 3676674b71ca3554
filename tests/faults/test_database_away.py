"""The database goes and comes back: nothing is acknowledged meanwhile that is not there, and nobody has to help.

A service under RSGI and one under a plain WSGI server share the database, so that both are seen in one fault.
"""

import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from threading import Event

import pytest

from tests.support.logs import wms
from tests.support.postgres import Postgres
from tests.support.service import PATIENCE, Answer, Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and finds the service's processes as Linux has")

WITHOUT_PRIVILEGE = """
import ctypes
libc, version_3, held = ctypes.CDLL(None), (ctypes.c_uint32 * 2)(0x20080522), (ctypes.c_uint32 * 6)()
assert libc.capget(version_3, held) == 0
held[0] &= ~2
held[1] &= ~2
assert libc.capset(version_3, held) == 0
"""
"""Gives CAP_DAC_OVERRIDE up (capabilities(7)): a test that runs as root would write to what nobody may write to."""


@dataclass
class Both:
    """One log behind two services."""

    services: list[Service]
    acknowledged: list[int] = field(default_factory=list)

    def send(self, service: Service, session: str, number: int) -> Answer:
        """A delivery, whose answer has to be an honest one."""
        answer = service.wms(wms(session, number))
        assert answer.status in (200, 503), answer
        if answer.status == 503:
            assert int(answer.headers["retry-after"]) > 0
        else:
            self.acknowledged.append(int(answer.headers["hookfold-position"]))
        return answer

    def all(self, ask: Callable[[Service], int]) -> list[int]:
        """The same question to each of them at once."""
        with ThreadPoolExecutor(len(self.services)) as pool:
            return list(pool.map(ask, self.services))

    def deliver(self, session: str, number: int = 0) -> list[int]:
        """The status that each of them answers a delivery of its own with."""
        return self.all(lambda service: self.send(service, f"{session}-{service.port}", number).status)

    def state(self) -> list[tuple[int, int]]:
        """What each says of its health and of its readiness."""
        return [(service.send("GET", "/healthz").status, ready(service)) for service in self.services]

    def await_recovery(self, session: str) -> None:
        """Both take deliveries again, without anybody's help."""
        await_(lambda: self.deliver(session) == [200] * len(self.services))
        await_(lambda: self.state() == [(200, 200)] * len(self.services))

    def everything(self) -> list[int]:
        """Every position of the log, as each of them tells it."""
        told = [positions(service) for service in self.services]
        assert all(one == told[0] for one in told)
        return told[0]


@contextmanager
def both(url: str, folder: Path, before: str = "") -> Iterator[Both]:
    with ExitStack() as stack:
        first = stack.enter_context(running(url, folder, before=before))
        yield Both([first, stack.enter_context(running(url, folder, front="wsgi", before=before))])


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """A server that nobody else uses: it is stopped."""
    with Postgres() as server:
        yield server


def test_postgresql_stopped_under_load_and_started_again(own_postgres: Postgres, tmp_path: Path):
    with both(own_postgres.url(own_postgres.create()), tmp_path) as log:
        with _load(log, 8):
            await_(lambda: len(log.acknowledged) > 100)

            own_postgres.stop()
            await_(lambda: log.deliver("away") == [503, 503])
            assert log.state() == [(200, 503)] * 2
            assert log.all(lambda service: service.send("GET", "/v1/events/stream").status) == [503, 503]
            os.kill(log.services[0].children()["server"][0], signal.SIGKILL)
            os.kill(log.services[0].children()["writer"][0], signal.SIGKILL)
            os.kill(log.services[0].children()["upkeep"][0], signal.SIGKILL)
            await_(lambda: _health(log.services[0]) == 200)
            assert log.deliver("away") == [503, 503]
            assert log.state() == [(200, 503)] * 2

            own_postgres.start()
            log.await_recovery("back")
            before = len(log.acknowledged)
            await_(lambda: len(log.acknowledged) > before + 100)

        found = log.everything()
        assert len(set(found)) == len(found)
        assert set(log.acknowledged) <= set(found)
        assert [line for service in log.services for line in lines_with_frames(service)] == []


def test_sqlite_locked_by_another_process(sqlite_url: str, tmp_path: Path):
    with both(sqlite_url, tmp_path / "service") as log:
        assert log.deliver("before") == [200, 200]

        with closing(sqlite3.connect(tmp_path / "hookfold.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with ThreadPoolExecutor(2) as pool:
                readiness = pool.submit(lambda: log.all(ready))
                assert log.deliver("locked") == [503, 503]
                assert readiness.result() == [503, 503]
            assert log.all(lambda service: service.send("GET", "/v1/sessions").status) == [200, 200]
            other.execute("ROLLBACK")

        log.await_recovery("after")
        assert log.everything() == sorted(log.acknowledged)


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid() != 0, reason="mounts a small disk")
def test_a_disk_that_is_full(sqlite_template: Path, tmp_path: Path):
    with _small_disk(tmp_path / "disk") as disk:
        shutil.copyfile(sqlite_template, disk / "hookfold.db")
        with both(f"sqlite:///{disk}/hookfold.db", tmp_path / "service") as log:
            assert log.deliver("before") == [200, 200]

            _fill(disk / "filler")
            _until_full(log)
            (disk / "filler").unlink()

            log.await_recovery("after")
            assert log.everything() == sorted(set(log.acknowledged))


def test_files_that_may_not_grow(sqlite_url: str, tmp_path: Path):
    with both(sqlite_url, tmp_path / "service") as log:
        assert log.deliver("before") == [200, 200]

        _limit(log, (tmp_path / "hookfold.db-wal").stat().st_size + 10_000)
        _until_full(log)
        _limit(log, resource.RLIM_INFINITY)

        log.await_recovery("after")
        assert log.everything() == sorted(set(log.acknowledged))


def test_a_database_file_and_folder_that_may_not_be_written(sqlite_template: Path, tmp_path: Path):
    folder = tmp_path / "data"
    folder.mkdir()
    shutil.copyfile(sqlite_template, folder / "hookfold.db")
    with running(f"sqlite:///{folder}/hookfold.db", tmp_path / "service", before=WITHOUT_PRIVILEGE) as service:
        log = Both([service])
        assert log.deliver("before") == [200]

        with _read_only(folder):
            os.kill(service.children()["writer"][0], signal.SIGKILL)  # an open file stays open, whatever it becomes
            await_(lambda: log.deliver("away") == [503] and "readonly database" in service.log.read_text())
            assert log.state() == [(200, 503)]
            assert service.send("GET", "/v1/sessions").status == 200

        log.await_recovery("after")
        assert log.everything() == sorted(set(log.acknowledged))


@contextmanager
def _load(log: Both, senders: int) -> Iterator[None]:
    """Deliveries to both, by so many senders, until the block ends."""
    done = Event()
    with ThreadPoolExecutor(senders) as pool:
        load = [pool.submit(_send_on, log, log.services[at % 2], f"load-{at}", done) for at in range(senders)]
        try:
            yield
        finally:
            done.set()
        for one in load:
            one.result()


def _send_on(log: Both, service: Service, session: str, done: Event) -> None:
    """One delivery after the other, each until it is acknowledged."""
    number = 0
    while not done.is_set():
        try:
            number += log.send(service, session, number).status == 200
        except (OSError, HTTPException):
            continue


def _until_full(log: Both) -> None:
    """Sends until both refuse and say so: the write-ahead log, once carried over, has room in what is there already."""
    numbers = iter(range(1, 5_000))
    await_(lambda: log.deliver("full", next(numbers)) == [503, 503] and log.state() == [(200, 503)] * 2)


@contextmanager
def _small_disk(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for size in (65_536, 4_096, 1):
            try:
                while filler.write(b"x" * size):
                    pass
            except OSError:
                continue


def _limit(log: Both, size: int) -> None:
    for service in log.services:
        for process in [service.process.pid, *(pid for kind in service.children().values() for pid in kind)]:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def _read_only(folder: Path) -> Iterator[None]:
    files = list(folder.iterdir())
    for file in files:
        file.chmod(0o444)
    folder.chmod(0o555)
    try:
        yield
    finally:
        folder.chmod(0o755)
        for file in files:
            file.chmod(0o644)


def _health(service: Service) -> int:
    try:
        return service.send("GET", "/healthz").status
    except (OSError, HTTPException):
        return 0


def ready(service: Service) -> int:
    """What it says of its readiness, with the time to come again where it is not."""
    answer = service.send("GET", "/readyz")
    assert answer.status == 200 or answer.headers["retry-after"]
    return answer.status


def positions(service: Service) -> list[int]:
    """Every position of the log but those that Hookfold wrote about itself."""
    found: list[int] = []
    after = 0
    while page := service.get(f"/v1/events?after={after}&limit=100")["data"]:
        found += [event["position"] for event in page if event["source"] != "hookfold"]
        after = page[-1]["position"]
    return found


def lines_with_frames(service: Service) -> list[str]:
    """What its log tells as a fault of ours."""
    return [line for line in service.log.read_text().splitlines() if '"frames"' in line or "psycopg" in line]


def await_(condition: Callable[[], bool]) -> None:
    """Looks again and again; what is waited for happens in other processes."""
    deadline = time.monotonic() + 2 * PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)
