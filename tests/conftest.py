"""Databases for tests: SQLite files, and a real PostgreSQL that the test run starts itself, once for all its workers.

A migrated database is made once per process and copied for every test: 2 ms on SQLite, 20 ms on PostgreSQL.
"""

import gc
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from sqlalchemy import URL

from adapters.sql import migrate, open_engine
from tests.support.compiled import compile_statements_once
from tests.support.postgres import SETTINGS, Postgres
from tests.support.routing import compile_rules_once
from tests.support.run import Run
from tests.support.server import Server
from tests.support.services import BACKENDS, Services
from tests.support.templates import compile_templates_once
from tests.support.watched_logs import no_leak, watch_logs

settings.register_profile("hookfold", deadline=None, print_blob=True)  # the machine may be busy: slow is not wrong
settings.load_profile("hookfold")
compile_rules_once()
compile_statements_once()
compile_templates_once()
watch_logs()

LEFT_OUT = "LEFT OUT"
UNDO = pytest.StashKey[ExitStack]()
SHARED = pytest.StashKey[Server]()
_numbers = count(1)


def pytest_configure(config: pytest.Config) -> None:
    """The process that was started by hand cleans up; its workers do not."""
    if not hasattr(config, "workerinput"):
        config.stash[UNDO] = ExitStack()
        config.stash[UNDO].enter_context(Run(in_memory=True))
        config.add_cleanup(config.stash[UNDO].close)


def pytest_collection_finish() -> None:
    """What is there by now stays: the collector need not look through it again and again."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Says loudly which tests were left out, and what they want."""
    for skipped in terminalreporter.getreports("skipped"):
        if (reason := str(skipped.longrepr[2]).removeprefix("Skipped: ")).startswith(LEFT_OUT):
            terminalreporter.write_line(f"{skipped.nodeid} is {reason}", red=True, bold=True)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Before the first worker starts, its server is there; two that make one at once get in each other's way."""
    stash = node.config.stash
    if SHARED not in stash:
        stash[SHARED] = stash[UNDO].enter_context(Server(SETTINGS))
    node.workerinput["postgres"] = str(stash[SHARED].folder)


@pytest.fixture(autouse=True)
def _no_leak() -> Iterator[None]:
    """No test makes a log line that tells a secret, an e-mail address or a body."""
    with no_leak():
        yield


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """The PostgreSQL of this run, kept off UTC on purpose. Who stops it, or sets it otherwise, makes one of its own."""
    worker = getattr(request.config, "workerinput", None)
    with Postgres(Path(worker["postgres"]), f"{worker['workerid']}_") if worker else Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def services(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, postgresql_template: str
) -> Iterator[Services]:
    """Real services, shared by all tests that neither stop nor disturb one."""
    with ExitStack() as stack:
        yield Services(stack, tmp_path_factory.mktemp("services"), postgres, postgresql_template)


@pytest.fixture
def name() -> str:
    """An id that no other test uses."""
    return f"s-{next(_numbers)}"


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database; the test runs on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=BACKENDS)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database without a single table."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


@pytest.fixture(scope="module", params=BACKENDS)
def shared_database_url(request: pytest.FixtureRequest) -> Iterator[str]:
    """A migrated database for all tests of a module: each leaves it as it was, or uses ids of its own."""
    if request.param == "sqlite":
        folder = request.getfixturevalue("tmp_path_factory").mktemp("shared")
        shutil.copyfile(request.getfixturevalue("sqlite_template"), folder / "hookfold.db")
        yield _sqlite(folder / "hookfold.db")
    else:
        with request.getfixturevalue("postgres").database(request.getfixturevalue("postgresql_template")) as url:
            yield url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    shutil.copyfile(sqlite_template, tmp_path / "hookfold.db")
    return _sqlite(tmp_path / "hookfold.db")


@pytest.fixture
def empty_sqlite_url(tmp_path: Path) -> str:
    return _sqlite(tmp_path / "empty.db")


@pytest.fixture
def postgresql_url(postgres: Postgres, postgresql_template: str) -> Iterator[str]:
    with postgres.database(template=postgresql_template) as url:
        yield url


@pytest.fixture
def empty_postgresql_url(postgres: Postgres) -> Iterator[str]:
    with postgres.database() as url:
        yield url


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "template.db"
    _migrate(_sqlite(path))
    return path


@pytest.fixture(scope="session")
def postgresql_template(postgres: Postgres) -> str:
    name = postgres.create()
    _migrate(postgres.url(name))
    return name


def _sqlite(path: Path) -> str:
    return URL.create("sqlite", database=str(path)).render_as_string()


def _migrate(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()
