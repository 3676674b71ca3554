"""Releases of Hookfold side by side: the one at hand, and the code of a git revision with an environment of its own."""

import io
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.support.service import Service

HOUSE = Path(__file__).parents[2]
COMMAND = "from app import main; main()"


class Release(NamedTuple):
    """A release's folder, and the Python that has what its lock names."""

    name: str
    folder: Path
    python: str

    def start(self, port: int, env: Mapping[str, str], log: Path) -> Service:
        """`hookfold serve`, ready to be asked."""
        with log.open("ab") as file:
            process: Any = subprocess.Popen(
                [self.python, "-c", COMMAND, "serve", "--processes", "1"],
                cwd=self.folder,
                env=self._env(env) | {"HOOKFOLD_PORT": str(port)},
                stdout=file,
                stderr=file,
                process_group=0,
            )
        service = Service(port, process, log)
        service.await_ready()
        return service

    def typed(self, *words: str, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
        """A command of this release."""
        command = [self.python, "-c", COMMAND, *words]
        return subprocess.run(command, cwd=self.folder, env=self._env(env), capture_output=True, text=True, check=False)

    def newest_migration(self) -> str:
        return max(path.name for path in self.folder.glob("migrations/versions/[0-9]*.py")).partition("_")[0]

    def _env(self, env: Mapping[str, str]) -> dict[str, str]:
        return {**env, "PYTHONPATH": str(self.folder)}


def at_hand() -> Release:
    return Release(_git("describe", "--always", "--dirty").decode().strip(), HOUSE, sys.executable)


def of(revision: str, folder: Path) -> Release:
    """The code of a revision, unpacked there. Where its lock is not ours, its Makefile makes its environment."""
    name = _git("rev-parse", "--short", f"{revision}^{{commit}}").decode().strip()
    with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", name))) as packed:
        packed.extractall(folder, filter="data")
    lock = "requirements.txt"
    if (folder / lock).read_bytes() == (HOUSE / lock).read_bytes():
        return Release(name, folder, sys.executable)
    subprocess.run(["make", "--no-print-directory", f"PYTHON={sys.executable}", ".venv/.run"], cwd=folder, check=True)
    return Release(name, folder, str(folder / ".venv/bin/python"))


def newest_tag() -> str | None:
    """None where there are no tags."""
    return next(iter(_git("tag", "--sort=-creatordate").decode().splitlines()), None)


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=HOUSE, capture_output=True, check=True).stdout
