"""A service for one demonstration: free port, temporary folder, fresh secrets; gone afterwards."""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from adapters import config
from adapters.cli.commands import Failed
from adapters.config import Settings, write_template
from adapters.simulator import Reader, Unreachable

PATIENCE = 60.0
"""Seconds until it has to be ready: a cold disk and an empty database take a few."""


@contextmanager
def own_service() -> Iterator[Settings]:
    """The settings of a service that runs inside the block. Raises Failed, with its log, where it does not start."""
    with tempfile.TemporaryDirectory(prefix="hookfold-demo-") as name:
        folder = Path(name)
        env = _surroundings(folder)
        write_template(folder / "hookfold.toml")
        found = config.load(None, env)
        with (folder / "log").open("wb") as log, _running(env, log) as process:
            _await_ready(process, found, folder / "log")
            yield found


def _surroundings(folder: Path) -> dict[str, str]:
    """The environment without settings of a real service."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKFOLD_")}
    return kept | {
        "HOOKFOLD_CONFIG": str(folder / "hookfold.toml"),
        "HOOKFOLD_DATABASE_URL": f"sqlite:///{folder / 'hookfold.db'}",
        "HOOKFOLD_PORT": str(_free_port()),
    }


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@contextmanager
def _running(env: dict[str, str], log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "from app import main; main()", "serve"]
    process = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _await_ready(process: subprocess.Popen[bytes], found: Settings, log: Path) -> None:
    reader = Reader(f"http://127.0.0.1:{found.port}")
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            reader.get("/readyz")
        except Unreachable:
            time.sleep(0.05)
        else:
            return
    raise Failed(f"the service did not start:\n{log.read_text(errors='replace')[-4000:]}")
