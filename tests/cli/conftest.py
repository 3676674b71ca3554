"""The command line as it is typed, and a real service for it to talk to."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from werkzeug.serving import make_server

from adapters.cli import Commands, Serving, command_line
from adapters.config import Settings, load, write_template
from adapters.sql import GroupCommit, migrate, opened_engine, revision
from wiring.opening import open_components

Run = Callable[..., Result]


class Served(list[tuple[Settings, Serving]]):
    """What `serve` was asked to do, instead of doing it for ever."""

    def __call__(self, settings: Settings, serving: Serving) -> None:
        self.append((settings, serving))


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and an environment that says only: any free port."""
    monkeypatch.chdir(tmp_path)
    for name, value in {"HOOKFOLD_CONFIG": "", "HOOKFOLD_DATABASE_URL": "", "HOOKFOLD_PORT": "0"}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def run(served: Served) -> Run:
    """Types a command; `hookfold` is left out."""
    line = command_line(Commands(serve=served, migrate=_migrate, revision=_revision))
    return lambda *words: CliRunner().invoke(line, [str(word) for word in words])


@pytest.fixture
def service(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """A real service over HTTP, with the configuration that `init` writes."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    write_template(elsewhere / "hookfold.toml")
    parts = open_components(load(None, os.environ))
    log = parts.log()
    flask = parts.flask(parts.door(), GroupCommit(log.commit).append)
    server = make_server("127.0.0.1", 0, flask, threaded=True)
    monkeypatch.setenv("HOOKFOLD_PORT", str(server.server_port))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield load(None, os.environ)
    server.shutdown()
    thread.join()
    server.server_close()
    log.close()
    parts.engine.dispose()


def _migrate(url: str) -> None:
    with opened_engine(url) as engine:
        migrate(engine)


def _revision(url: str) -> tuple[str | None, str | None]:
    with opened_engine(url) as engine:
        return revision(engine)


@pytest.fixture
def now() -> float:
    """The time that the service's clock shows: a signature has its window."""
    return time.time()
