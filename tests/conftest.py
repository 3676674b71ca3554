"""Databases for tests: SQLite files, and a real PostgreSQL that the test run starts itself.

A migrated database is made once per process and copied for every test: 2 ms on SQLite, 20 ms on PostgreSQL.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import URL

from adapters.sql import migrate, open_engine
from tests.support.postgres import Postgres

settings.register_profile("hookfold", deadline=None, print_blob=True)  # the machine may be busy: slow is not wrong
settings.load_profile("hookfold")

BACKENDS = ["sqlite", "postgresql"]


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server of this process's own, kept off UTC on purpose."""
    with Postgres() as server:
        yield server


@pytest.fixture(params=BACKENDS)
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database; the test runs on SQLite and on PostgreSQL."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture(params=BACKENDS)
def empty_database_url(request: pytest.FixtureRequest) -> str:
    """A fresh database without a single table."""
    return str(request.getfixturevalue(f"empty_{request.param}_url"))


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
