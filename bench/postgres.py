"""A PostgreSQL of the benchmark's own, as durable as it is delivered."""

from contextlib import ExitStack
from typing import Self

from tests.support.postgres import SETTINGS, Postgres

DURABLE = {"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on"}

AS_DELIVERED = {"shared_buffers": "128MB"}
"""The tests' servers have less. A page that looks at 20,000 rows takes 40 ms with this, and 370 ms with 16 MB."""

SEGMENTS = 40
"""Of 16 MiB: as much write-ahead log as a server in use has ready."""


class Durable(Postgres):
    """The tests' server with `fsync` on. Raises RuntimeError where a setting is weaker than DURABLE.

    A server that has just been made fills every new segment of its log with zeros while all writers wait, 50 to 85 ms;
    one in use writes over old ones. So this one has written some before anything is measured.
    """

    def __init__(self) -> None:
        super().__init__(settings=SETTINGS | DURABLE | AS_DELIVERED | {"min_wal_size": "1GB"})

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            super().__enter__()
            undo.push(self.__exit__)
            self._check()
            for _ in range(SEGMENTS):
                self._run("SELECT pg_logical_emit_message(true, 'bench', '')")
                self._run("SELECT pg_switch_wal()")
            self._run("CHECKPOINT")
            undo.pop_all()
        return self

    def show(self, setting: str) -> str:
        """A setting of the server, as a fresh connection sees it."""
        return str(self.ask(self.url("postgres"), f"SHOW {setting}"))

    def _check(self) -> None:
        if any(self.show(name) != value for name, value in DURABLE.items()):
            raise RuntimeError(f"PostgreSQL is not durable: {DURABLE} is wanted")
