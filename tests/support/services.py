"""Real services that tests share: a start takes seconds of a core."""

from contextlib import ExitStack
from pathlib import Path

from tests.support.postgres import Postgres
from tests.support.service import Service, running

BACKENDS = ["sqlite", "postgresql"]


class Services(dict[str, Service]):
    """Services by name, such as `serve-sqlite`; each is started when a test first wants it."""

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
