"""A service, its database and what both stand on, kept running through whatever is done to them."""

import ctypes
import os
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import Any, Self

from tests.support.handler import Handler, handler
from tests.support.launcher import launcher
from tests.support.postgres import SETTINGS, Postgres
from tests.support.run import Run
from tests.support.service import CONFIGURATION, Service, running

PATIENCE = 120.0
DURABLE = {"fsync": "on", "full_page_writes": "on", "max_wal_size": "64MB", "min_wal_size": "32MB"}
RELAYED = "relayed"
RELAY = """
[sources.relayed]
provider = "wms"
secrets = ["env:WMS_SECRET"]
mode = "relay"
forward_to = "{url}"
retry_for = "30d"
"""
"""A source whose deliveries a handler of ours gets. Steps of the clock must not make one too old to be tried again."""
CLOCK = """
import mmap, struct, time
with open({file!r}, "rb") as file:
    offset = mmap.mmap(file.fileno(), 8, prot=mmap.PROT_READ)
truth = time.time_ns
time.time_ns = lambda: truth() + struct.unpack("q", offset)[0]
time.time = lambda: time.time_ns() / 1e9
"""
"""Run in front of a service: the time of day that it and its processes read is off by what stands in a file."""
CLONE_NEWNS = 0x00020000


class Disk:
    """Where the database, and the service's log and configuration, are: a file system of its own.

    `mounted` is False where none may be mounted; nothing fills it then.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.mounted = _mount(folder, "size=50%")

    def fill(self) -> None:
        """No page more is left than a few."""
        while not _mount(self._folder, f"remount,size={self._used() + 65_536}"):
            """It has grown since we looked."""

    def empty(self) -> None:
        assert _mount(self._folder, "remount,size=50%")

    def unmount(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "--lazy", self._folder], check=True)

    def _used(self) -> int:
        found = os.statvfs(self._folder)
        return (found.f_blocks - found.f_bfree) * found.f_frsize


class Standing:
    """`service` is started anew on its port whenever it has ended, and so is `postgres`, where the database is one.

    `behind`: the handler of the relayed source.
    """

    def __init__(self, url: str, folder: Path, disk: Disk, postgres: Postgres | None, behind: Handler) -> None:
        self.url, self.folder, self.disk, self.postgres, self.behind = url, folder, disk, postgres, behind
        self.configuration = CONFIGURATION + RELAY.format(url=behind.url)
        self.ended = 0
        folder.mkdir()
        self._clock = folder / "clock"
        self.step(0)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.temporary = self._stack.enter_context(Run()).folder
        self.service = self._started(None)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def kill(self) -> None:
        """The main process; the others end with it."""
        self.service.process.send_signal(signal.SIGKILL)
        self._restart()

    def mend(self) -> None:
        """What somebody who watches a service does: starts what has ended."""
        if self.postgres and not self.postgres.runs():
            self.postgres.start()
        if self.service.process.poll() is not None:
            self.ended += 1
            self._restart()

    def step(self, seconds: int) -> None:
        """The clock that the service reads is off by so many seconds from now on."""
        with self._clock.open("r+b" if self._clock.exists() else "wb") as file:
            file.write(struct.pack("q", seconds * 10**9))

    def _restart(self) -> None:
        self.service.process.wait()
        until(lambda: not answers(self.service), "the processes of a service that was killed do not end")
        self.service = self._started(self.service.port)

    def _started(self, port: int | None) -> Service:
        given: dict[str, Any] = {"before": CLOCK.format(file=str(self._clock)), "configuration": self.configuration}
        return self._stack.enter_context(running(self.url, self.folder, processes=2, port=port, **given))


@contextmanager
def standing(database: str) -> Iterator[Standing]:
    """With a new database of that kind; nothing is left of both."""
    with Run() as run, ExitStack() as stack:
        launcher.cache_clear()  # one of this run: whatever ends us, the janitor ends what it has forked
        disk = Disk(run.folder)
        stack.callback(disk.unmount)
        postgres = stack.enter_context(Postgres(settings=SETTINGS | DURABLE)) if database == "postgresql" else None
        url = postgres.url(postgres.create()) if postgres else f"sqlite:///{run.folder}/hookfold.db"
        behind = stack.enter_context(handler())
        yield stack.enter_context(Standing(url, run.folder / "service", disk, postgres, behind))


def answers(service: Service) -> bool:
    try:
        return service.send("GET", "/healthz").status == 200
    except (OSError, HTTPException):
        return False


def until(true: Callable[[], bool], otherwise: str = "the service did not come back") -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(otherwise)
        time.sleep(0.02)  # of processes and servers of others nobody tells an event


def mounts_of_our_own() -> None:
    """What this process mounts, it and its children see, and it is gone with them. Before there is a thread."""
    if os.geteuid() == 0 and ctypes.CDLL(None).unshare(CLONE_NEWNS) == 0:
        subprocess.run(["mount", "--make-rprivate", "/"], check=False, capture_output=True)


def _mount(folder: Path, options: str) -> bool:
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return os.geteuid() == 0 and subprocess.run(command, check=False, capture_output=True).returncode == 0
