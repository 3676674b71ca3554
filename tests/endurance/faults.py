"""What is done to a service under load. Each fault is over when its function returns, but for what has to recover."""

import os
import random
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.client import HTTPException

from tests.endurance.standing import Standing
from tests.support.logs import wms

LONGEST = 5.0
"""Seconds that a fault lasts."""
STEPS = (-86_400, -10_800, -2, 0, 2, 10_800, 86_400)
"""Seconds by which the clock is off."""
CALLS = (
    "fsync,fdatasync:error=EIO",
    "fsync,fdatasync:delay_enter=300ms",
    "write,pwrite64,pwritev:error=ENOSPC",
    "write,pwrite64,pwritev:error=EIO",
    "read,pread64:error=EIO",
    "openat:error=EMFILE",
    "accept4:error=EMFILE",
    "recvfrom,recvmsg:error=ECONNRESET",
    "sendto,sendmsg:error=EPIPE",
)
"""System calls, and how they fail."""
QUIETLY = ("-qq", "-o", os.devnull)


class Faults:
    """`kinds`: what can be done here, by name; each returns what it did. `left_out`: what cannot, and why."""

    def __init__(self, standing: Standing, chance: random.Random) -> None:
        self._standing, self._chance = standing, chance
        self.left_out: list[str] = []
        self.kinds: dict[str, Callable[[], str]] = {
            "kill": self._kill,
            "disk": self._full_disk if standing.disk.mounted else self._no_growth,
            "clock": self._step,
            "temporary": self._clean,
        }
        if standing.postgres:
            self.kinds["stop"] = self._stop
        else:
            self.left_out.append("PostgreSQL stopped: the database is SQLite")
        if not standing.disk.mounted:
            self.left_out.append("a full disk: nothing may be mounted here; files may not grow instead")
        if reason := _no_strace():
            self.left_out.append(f"system calls that fail: {reason}")
        else:
            self.kinds["calls"] = self._fail_calls

    def _kill(self) -> str:
        """Kill -9 of the main process, or of one or two that do one kind of work."""
        victims = self._processes()
        name = self._chance.choice(["main", *victims])
        if name == "main":
            self._standing.kill()
            return "the main process killed"
        killed = self._some(victims[name])
        for process in killed:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return f"{name} killed ({len(killed)})"

    def _stop(self) -> str:
        """PostgreSQL stopped as an operator does, or at once; it stays away for up to a second."""
        assert self._standing.postgres
        how = self._chance.choice(["stopped", "crashed"])
        if how == "stopped":
            self._standing.postgres.stop()
        else:
            self._standing.postgres.crash()
        time.sleep(self._chance.random())  # how long it is away is the fault
        self._standing.postgres.start()
        return f"PostgreSQL {how} and started"

    def _full_disk(self) -> str:
        self._standing.disk.fill()
        try:
            refused = self._until_refused()
        finally:
            self._standing.disk.empty()
        return f"disk full, {refused}"

    def _no_growth(self) -> str:
        """The same to the service where no disk may be mounted: no file of its grows behind 4 KiB."""
        processes = [self._standing.service.process.pid, *self._of_service()]
        try:
            _limit(processes, 4_096)
            refused = self._until_refused()
        finally:
            _limit([self._standing.service.process.pid, *self._of_service()], resource.RLIM_INFINITY)
        return f"files may not grow, {refused}"

    def _step(self) -> str:
        seconds = self._chance.choice(STEPS)
        self._standing.step(seconds)
        return f"clock {seconds:+} s from the true time"

    def _clean(self) -> str:
        """The whole temporary folder of the service goes, and is there again after a while."""
        folder = self._standing.temporary
        shutil.rmtree(folder)
        time.sleep(self._chance.random())  # how long it is gone is the fault
        folder.mkdir(mode=0o711)
        return "temporary folder removed, and made again"

    def _fail_calls(self) -> str:
        """Every few calls of a kind fail for a second, in the processes of one kind of work."""
        victims = self._processes()
        name = self._chance.choice([*victims])
        calls, _, how = self._chance.choice(CALLS).partition(":")
        when = f"when={self._chance.randint(1, 5)}+{self._chance.randint(1, 5)}"
        with _traced(self._some(victims[name]), calls, f"{how}:{when}"):
            time.sleep(self._chance.random())  # how long they fail is the fault
        return f"{calls} of {name}: {how}:{when}"

    def _processes(self) -> Mapping[str, list[int]]:
        """By what they do."""
        found = {name: processes for name, processes in self._standing.service.children().items() if processes}
        if self._standing.postgres and (theirs := self._standing.postgres.processes()):
            found["PostgreSQL"] = theirs
        return found

    def _of_service(self) -> Iterator[int]:
        for processes in self._standing.service.children().values():
            yield from processes

    def _some(self, processes: list[int]) -> list[int]:
        return self._chance.sample(processes, min(len(processes), self._chance.randint(1, 2)))

    def _until_refused(self) -> str:
        """Goes on until a delivery is, or it has lasted long enough."""
        end = time.monotonic() + LONGEST
        while time.monotonic() < end:
            with suppress(OSError, HTTPException):
                if self._standing.service.wms(wms("refused", 0)).status == 503:
                    return "a delivery refused"
            time.sleep(0.1)  # no event tells that the disk is full
        return "none refused"


def _limit(processes: list[int], size: int) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            resource.prlimit(process, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def _traced(processes: list[int], calls: str, how: str) -> Iterator[None]:
    command = ["strace", "-f", *QUIETLY, "-e", f"trace={calls}", "-e", f"inject={calls}:{how}"]
    command += [word for one in processes for word in ("-p", str(one))]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as strace:
        try:
            yield
        finally:
            strace.send_signal(signal.SIGINT)


def _no_strace() -> str:
    """Why it is of no use; nothing where it is."""
    if not shutil.which("strace"):
        return "there is no strace"
    with subprocess.Popen(["sleep", "1"]) as victim:
        command = ["strace", *QUIETLY, "-e", "inject=fsync:error=EIO", "-p", str(victim.pid)]
        return subprocess.run(command, check=False, capture_output=True, text=True).stderr.strip()
