"""Starts what is measured: Hookfold as its command serves it, and the peers under the same server."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from adapters.cli import Serving
from bench.traffic import PATH, SECRET, SOURCE
from tests.support.launcher import Launched, launch

Process = subprocess.Popen[bytes] | Launched

BY_DEFAULT = Serving().processes
"""As `make run` serves."""

SERVICE_SECRET = "a secret for benchmarks only, 32"
SIGNING_KEY = "5a" * 32
"""The same for all: a copy of a database is served with the key that signed the checkpoints in it."""

HOME = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds until a server has to answer."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that runs: its port, its folder, its processes (all of them answer on that port)."""

    port: int
    folder: Path
    workers: int


def settings_of(folder: Path, url: str, more: str = "") -> dict[str, str]:
    """The environment of a Hookfold with one WMS source, its configuration written into the folder, with `more` of it.

    The source's secret has the name that `hookfold init` gives it: each event tells by it what verified it.
    """
    (folder / "var").mkdir(parents=True, exist_ok=True)
    (folder / f"var/{SOURCE}.secret").write_text(SECRET)
    (folder / "hookfold.toml").write_text(
        '[service]\nsecret = "env:BENCH_SECRET"\nsigning_key = "env:BENCH_KEY"\n'
        f'[sources.{SOURCE}]\nprovider = "wms"\nsecrets = ["file:var/{SOURCE}.secret"]\n{more}'
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOOKFOLD_")}
    kept |= {"BENCH_SECRET": SERVICE_SECRET, "BENCH_KEY": SIGNING_KEY}
    return kept | {"HOOKFOLD_CONFIG": f"{folder}/hookfold.toml", "HOOKFOLD_DATABASE_URL": url}


@contextmanager
def hookfold(folder: Path, url: str, processes: int, *, seals: bool = True, more: str = "") -> Iterator[Server]:
    """`hookfold serve` with a database. `more`: of its configuration."""
    port = _free_port()
    env = settings_of(folder, url, more) | {"HOOKFOLD_PORT": str(port)}
    code = f"from {'app' if seals else 'bench.unsealed'} import main; main()"
    log = folder / f"serve-{port}.log"
    with log.open("wb") as output:
        process = launch(code, ["serve", "--processes", str(processes)], env, output)
    with _running(process, log, port, "GET /readyz"):
        yield Server(port, folder, processes)


@contextmanager
def peer(name: str, folder: Path, workers: int, settings: Mapping[str, str] | None = None) -> Iterator[Server]:
    """A Flask application of `bench.peers`, served by Granian with nothing but its defaults."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [sys.executable, "-m", "granian", "--interface", "wsgi", "--workers", str(workers)]
    command += ["--port", str(port), f"bench.peers.{name}:app"]
    with _command(command, os.environ | (settings or {}), folder / f"{name}-{port}.log", port):
        yield Server(port, folder, workers)


@contextmanager
def raw(folder: Path) -> Iterator[Server]:
    """What answers and does no more."""
    port = _free_port()
    command = [sys.executable, "-m", "bench.peers.raw", str(port)]
    with _command(command, os.environ, folder / f"raw-{port}.log", port):
        yield Server(port, folder, 1)


@contextmanager
def handler(folder: Path, seconds: float) -> Iterator[Server]:
    """An app's handler, which takes so long."""
    folder.mkdir(parents=True, exist_ok=True)
    port = _free_port()
    command = [sys.executable, "-m", "bench.peers.handler", str(port), str(seconds)]
    with _command(command, os.environ, folder / f"handler-{port}.log", port):
        yield Server(port, folder, 1)


@contextmanager
def _command(command: Sequence[str], env: Mapping[str, str], log: Path, port: int) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=dict(env), stdout=output, stderr=subprocess.STDOUT, cwd=HOME)
    with _running(process, log, port, f"POST {PATH}"):
        yield


@contextmanager
def _running(process: Process, log: Path, port: int, ask: str) -> Iterator[None]:
    try:
        _await(process, log, port, ask)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()


def _await(process: Process, log: Path, port: int, ask: str) -> None:
    """Returns when the server answers, whatever it answers. Raises RuntimeError, with its log, where it does not."""
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as one:
                one.sendall(f"{ask} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n".encode())
                if one.recv(16):
                    return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"{log.stem} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
