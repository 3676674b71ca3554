"""Starts services by a fork of a process that has imported the application: most of a start is imports.

What is started is the real thing: a process with the environment, the output and the process group of its own.
"""

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO

HOUSE = Path(__file__).parents[2]
_LONGEST = 1 << 20


class Launched:
    """A process that was started so; with what `subprocess.Popen` offers for one."""

    def __init__(self, pid: int, outcome: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._outcome = outcome

    def poll(self) -> int | None:
        """The exit code, once it has ended; that of a signal is negative."""
        if self.returncode is None and select.select([self._outcome], [], [], 0)[0]:
            self.returncode = int(self._outcome.recv(100))
            self._outcome.close()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The same, behind its end. Raises subprocess.TimeoutExpired."""
        if self.returncode is None:
            select.select([self._outcome], [], [], timeout)
        code = self.poll()
        if code is None:
            raise subprocess.TimeoutExpired("a service", timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        """Nothing where it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)


def launch(code: str, arguments: Sequence[str], env: Mapping[str, str], log: IO[bytes]) -> Launched:
    """A process that runs the code, in a process group of its own; the log takes what it prints."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        request = json.dumps([code, arguments, dict(env)]).encode()
        socket.send_fds(launcher(), [request], [log.fileno(), theirs.fileno()])
    return Launched(int(ours.recv(100)), ours)


@cache
def launcher() -> socket.socket:
    """To the process that forks, which is started now unless it is there; it ends with this one.

    It and what it forks have the temporary directory of its start for ever: by that a janitor finds them. What a
    terminal tells this process group does not reach them: they are ended by whoever has started them.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        command = [sys.executable, "-m", "tests.support.launcher", str(theirs.fileno())]
        process = subprocess.Popen(command, cwd=HOUSE, pass_fds=[theirs.fileno()], start_new_session=True)
    atexit.register(process.wait)
    atexit.register(ours.close)
    return ours


def main(control: socket.socket) -> None:
    """Forks for each request, until nobody can ask any more. A service goes on behind this, and ends by itself."""
    import alembic.command  # noqa: F401 - what a start imports is there in each

    import app  # noqa: F401

    gc.freeze()  # the collector of a forked process does not touch, and so copy, these pages
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        request, files, _, _ = socket.recv_fds(control, _LONGEST, 2)
        if not request:
            return
        if os.fork() == 0:
            control.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _wait(request, files[0], socket.socket(fileno=files[1]))
            return
        for file in files:
            os.close(file)


def _wait(request: bytes, log: int, outcome: socket.socket) -> None:
    """Starts the service, and tells what became of it."""
    process = os.fork()
    if process == 0:
        outcome.close()
        _begin(*json.loads(request), log=log)
        return
    outcome.sendall(str(process).encode())
    _, status = os.waitpid(process, 0)
    outcome.sendall(str(os.waitstatus_to_exitcode(status)).encode())
    os._exit(0)  # nothing here is worth the time that an orderly end takes


def _begin(code: str, arguments: list[str], env: dict[str, str], *, log: int) -> None:
    os.setpgid(0, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["hookfold", *arguments]
    exec(code, {"__name__": "__main__"})


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
