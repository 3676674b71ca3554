"""Real services, one for each way of serving and each database, started when a test first wants one and shared."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import pytest

from tests.support.postgres import Postgres
from tests.support.service import Service, running

ALL = ["serve-sqlite", "serve-postgresql", "wsgi-sqlite", "wsgi-postgresql"]
_numbers = count(1)


class Services(dict[str, Service]):
    """Services by name, such as `serve-sqlite`."""

    def __init__(self, stack: ExitStack, folder: Path, postgres: Postgres, template: str) -> None:
        self._stack, self._folder, self._postgres, self._template = stack, folder, postgres, template

    def __missing__(self, name: str) -> Service:
        front, _, backend = name.partition("-")
        folder = self._folder / name
        folder.mkdir()
        url = f"sqlite:///{folder}/hookfold.db" if backend == "sqlite" else self._database()
        self[name] = self._stack.enter_context(running(url, folder, front=front))
        return self[name]

    def _database(self) -> str:
        return self._stack.enter_context(self._postgres.database(self._template))


@pytest.fixture(scope="session")
def services(
    tmp_path_factory: pytest.TempPathFactory, postgres: Postgres, postgresql_template: str
) -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(stack, tmp_path_factory.mktemp("doors"), postgres, postgresql_template)


@pytest.fixture(params=ALL)
def door(request: pytest.FixtureRequest, services: Services) -> Service:
    """The service over each way of serving and each database."""
    return services[request.param]


@pytest.fixture(params=ALL[:2])
def front(request: pytest.FixtureRequest, services: Services) -> Service:
    """`hookfold serve` on each database: for what a WSGI server would answer itself, in words of its own."""
    return services[request.param]


@pytest.fixture
def name() -> str:
    """An id that no other test uses."""
    return f"s-{next(_numbers)}"
