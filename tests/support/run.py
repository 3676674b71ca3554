"""A run of the tests or of the benchmarks, which leaves the machine as it was."""

import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import janitor

LONGEST = 60
"""Bytes of a temporary directory's name: a socket's whole path has 103 on every system."""


MEMORY = Path("/dev/shm")
ROOM = 4 * 2**30
"""Bytes that have to be free there."""


class Run:
    """While it is entered, a folder of its own is the temporary directory of this process and of all that it starts.

    When it ends, or was killed, the folder goes, and every process that was started in it. `in_memory`: the folder is
    on no disk where the machine has room for that, and nobody named a temporary directory.
    """

    def __init__(self, *, in_memory: bool = False) -> None:
        self._in_memory = in_memory

    def __enter__(self) -> Self:
        place = str(MEMORY) if self._in_memory and "TMPDIR" not in os.environ and _has_room(MEMORY) else _place()
        self.folder = Path(tempfile.mkdtemp(prefix="hookfold-run-", dir=place))
        self.folder.chmod(0o711)  # a server that root starts runs as somebody else
        command = [sys.executable, "-I", janitor.__file__, str(self.folder)]
        # It is of this run, not of one around it, whose janitor would end it before it has done its work.
        env = os.environ | {"TMPDIR": str(self.folder)}
        self.janitor = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", env=env, start_new_session=True)
        self._before = os.environ.get("TMPDIR")
        _use(str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _use(self._before)
        self.janitor.communicate()


def _use(folder: str | None) -> None:
    if folder is None:
        os.environ.pop("TMPDIR", None)
    else:
        os.environ["TMPDIR"] = folder
    tempfile.tempdir = None


def _place() -> str:
    """The temporary directory, or /tmp where no socket or nobody but root could be in it."""
    named = tempfile.gettempdir()
    return named if len(os.fsencode(named)) <= LONGEST and open_to_all(Path(named)) else "/tmp"


def _has_room(folder: Path) -> bool:
    """Whether a run fits in there. Containers often have a small one, from which nothing may be run."""
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= ROOM and not found.f_flag & os.ST_NOEXEC


def open_to_all(folder: Path) -> bool:
    """Whether the server's user can get there, which is another one where we are root."""
    return os.geteuid() != 0 or all(one.stat().st_mode & stat.S_IXOTH for one in (folder, *folder.parents))
