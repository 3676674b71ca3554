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


class Run:
    """While it is entered, a folder of its own is the temporary directory of this process and of all that it starts.

    When it ends, or was killed, the folder goes, and every process that was started in it.
    """

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="hookfold-run-", dir=_place()))
        self.folder.chmod(0o711)  # a server that root starts runs as somebody else
        command = [sys.executable, "-I", janitor.__file__, str(self.folder)]
        self._janitor = subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)
        self._before = os.environ.get("TMPDIR")
        _use(str(self.folder))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _use(self._before)
        self._janitor.communicate()


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


def open_to_all(folder: Path) -> bool:
    """Whether the server's user can get there, which is another one where we are root."""
    return os.geteuid() != 0 or all(one.stat().st_mode & stat.S_IXOTH for one in (folder, *folder.parents))
