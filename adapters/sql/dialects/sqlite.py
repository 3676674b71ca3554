"""SQLite: one writer at a time, and statements of few distinct sizes, so that the driver's cache has them prepared."""

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from itertools import chain
from typing import Any

from adapters.sql.dialects.statements import Guarded, Insert, Lookup, Row, Write
from adapters.sql.dialects.write_queue import PAUSE, head_of_queue

_MOST = 64
"""The most keys of one look-up."""

_PATIENCE = 5.0
"""Seconds that a writer waits for the lock, like the `busy_timeout` of other connections."""


class Sqlite:
    """See `Dialect`."""

    mark = "?"
    skip_locked = ""

    def settle(self, connection: Any, hot: Iterable[Write]) -> None:  # noqa: ARG002 - the driver keeps what it prepared
        connection.cursor().execute("PRAGMA busy_timeout = 0")

    def ahead(self, connection: Any, guarded: Guarded) -> None:  # noqa: ARG002 - nothing travels
        return None

    def begin(self, cursor: Any) -> None:
        """Polls the lock every half millisecond. SQLite's own waiting sleeps ever longer and misses gaps."""
        deadline = time.monotonic() + _PATIENCE
        with head_of_queue(cursor.connection.files.line):
            while True:
                try:
                    cursor.execute("BEGIN IMMEDIATE")
                except sqlite3.OperationalError as error:
                    if "locked" not in str(error) or time.monotonic() > deadline:
                        raise
                    time.sleep(PAUSE)
                else:
                    return

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:  # noqa: ARG002 - there is one lock
        (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            self.begin(cursor)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")

    def begin_unflushed(self, cursor: Any) -> None:
        """Safe because frames of the write-ahead log reach the disk in order."""
        cursor.execute("PRAGMA synchronous = NORMAL")
        self.begin_beside(cursor, turn=True)

    def flush_again(self, cursor: Any) -> None:
        cursor.execute("PRAGMA synchronous = FULL")

    def alone_with(self, cursor: Any, source: str) -> None:
        pass

    def using(self, index: str) -> str:
        return f" INDEXED BY {index}"

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        return nullcontext(connection.cursor())

    def run(self, cursor: Any, sql: str, *values: Any) -> Any:
        cursor.execute(sql, values)
        return cursor

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        cursor.executemany(_insert(into), rows)

    def insert_all(self, cursor: Any, inserts: Mapping[Insert, Sequence[Row]]) -> None:
        for into, rows in inserts.items():
            self.insert(cursor, into, rows)

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        for start in range(0, len(keys), _MOST):
            some = _padded(keys[start : start + _MOST])
            yield from cursor.execute(_lookup(find, len(some)), list(chain.from_iterable(some)))

    def contains(self, column: str) -> str:
        return f"instr({column}, ?) > 0"


@cache
def _insert(into: Insert) -> str:
    return f"{into.head} VALUES {_marks(into.names)}{into.conflict}"


@cache
def _lookup(find: Lookup, keys: int) -> str:
    values = ", ".join([_marks(find.key)] * keys)
    by = f" INDEXED BY {find.index}" if find.index else ""
    select = f"SELECT {find.columns} FROM k JOIN {find.table} t{by}{find.on}{find.rest}"
    return f"WITH k ({', '.join(find.key)}) AS (VALUES {values}) {select}"


def _marks(names: Sequence[str]) -> str:
    return f"({', '.join('?' * len(names))})"


def _padded(keys: Sequence[Row]) -> list[Row]:
    """Repeats the last key up to a power of two."""
    return [*keys, *[keys[-1]] * ((1 << (len(keys) - 1).bit_length()) - len(keys))]
