"""Databases of a real PostgreSQL."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import psycopg

from tests.support.server import Server, Standby

SETTINGS = {
    "timezone": "Asia/Tokyo",  # a server in UTC hides every instant that lost its zone
    "fsync": "off",  # a test outlives no power cut
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "16MB",  # a session is forked: the less is mapped, the sooner it begins
}


class Postgres:
    """Makes databases on a server of its own, or, given its folder, on one that is shared with other processes.

    Databases are numbered behind `names`. Who stops a server, or changes its settings or roles, needs one of its own.
    """

    def __init__(self, shared: Path | None = None, names: str = "t", settings: Mapping[str, str] = SETTINGS) -> None:
        self._server = None if shared else Server(settings)
        self._folder = shared
        self._names = names
        self._numbers = count(1)

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            if self._server:
                self._folder = undo.enter_context(self._server).folder
            self._connect()
            self._undo = undo.pop_all()
        return self

    def stop(self) -> None:
        """Stops the server as an operator does, whoever is connected."""
        self._admin.close()
        self._own().stop()

    def crash(self) -> None:
        """Ends the server without a checkpoint: it has to recover from its write-ahead log."""
        self._admin.close()
        self._own().crash()

    def runs(self) -> bool:
        """Whether the server's main process is there."""
        return self._own().runs()

    def processes(self) -> list[int]:
        """Those of sessions, and of what it does by itself."""
        return self._own().children()

    def start(self) -> None:
        """Starts it again."""
        self._own().start()
        self._connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        self._undo.close()

    def url(self, name: str) -> str:
        return url_of(self._folder, name)

    @contextmanager
    def standby(self) -> Iterator[Standby]:
        """A server that follows this one, as long as the block lasts."""
        with Standby(self._own()) as standby:
            yield standby

    def create(self, template: str = "template1") -> str:
        """Makes a database (a copy of the template, which nobody may be connected to) and gives its name."""
        name = f"{self._names}{next(self._numbers)}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        return name

    @contextmanager
    def database(self, template: str = "template1") -> Iterator[str]:
        """The URL of a new database that is dropped in the end, whoever is still connected."""
        name = self.create(template)
        try:
            yield self.url(name)
        finally:
            self._run(f"DROP DATABASE {name} WITH (FORCE)")

    def create_extension(self, name: str, url: str) -> None:
        """An empty one of that name, which stands in for the presence of the real one and does nothing."""
        assert self._folder
        place = self._folder / name / "extension"
        place.mkdir(parents=True)
        (place / f"{name}.control").write_text("default_version = '1'\n")
        (place / f"{name}--1.sql").touch()
        with psycopg.connect(url, autocommit=True) as admin:
            admin.execute(f"SET extension_control_path = '{place.parent}'".encode())
            admin.execute(f"CREATE EXTENSION {name}".encode())
        shutil.rmtree(place.parent)

    def ask(self, url: str, sql: str) -> Any:
        """The first value that a statement gives, asked over a plain connection without any settings of ours."""
        with psycopg.connect(url) as connection:
            row = connection.execute(sql.encode()).fetchone()
        return row[0] if row else None

    def _own(self) -> Server:
        assert self._server, "this server is shared with other tests: take one of your own"
        return self._server

    def _connect(self) -> None:
        self._admin = psycopg.connect(self.url("postgres"), autocommit=True)

    def _run(self, sql: str) -> None:
        self._admin.execute(sql.encode())


def url_of(folder: Path | None, name: str) -> str:
    """A database of the server in that folder."""
    return f"postgresql://postgres@/{name}?host={quote(str(folder))}"
