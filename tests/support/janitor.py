"""Ends what a run left behind, once the run is over: started by `Run`, in a session of its own, with the run's folder.

Its standard input closes when the process of the run is gone, by SIGKILL too, where nobody is left to clean up.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def main(folder: Path) -> None:
    sys.stdin.buffer.read()
    _end(list(_servers(folder)), signal.SIGQUIT)  # a server that is killed leaves its shared memory to the machine
    while left := list(processes_of(folder)):
        _end(left, signal.SIGKILL)
    while folder.is_mount() and _unmounted(folder):
        """Another one may lie beneath it."""
    shutil.rmtree(folder)


def _servers(folder: Path) -> Iterator[int]:
    """The PostgreSQL servers whose data lies in the run's folder."""
    for file in folder.glob("*/postmaster.pid"):
        yield int(file.read_text().partition("\n")[0])


def processes_of(folder: Path) -> Iterator[int]:
    """Everything that was started in the run, or in one within it: its temporary directory is in the run's folder.

    Not this process, which may be the run's janitor.
    """
    named = b"TMPDIR=" + os.fsencode(folder)
    for file in Path("/proc").glob("[0-9]*/environ"):
        if file.parent.name == str(os.getpid()):
            continue
        with suppress(OSError):  # it ended, or is somebody else's
            if any(one == named or one.startswith(named + b"/") for one in file.read_bytes().split(b"\0")):
                yield int(file.parent.name)


def _unmounted(folder: Path) -> bool:
    return subprocess.run(["umount", "--lazy", folder], check=False).returncode == 0


def _end(processes: list[int], how: signal.Signals) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, how)
    deadline = time.monotonic() + 10
    while any(lives(process) for process in processes) and time.monotonic() < deadline:
        time.sleep(0.02)


def lives(process: int) -> bool:
    """Whether it still runs. One that has ended may wait for its parent to ask after it."""
    try:
        os.kill(process, 0)
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
