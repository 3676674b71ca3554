"""What differs between the databases: how a writer takes its turn, and how many rows go over in one statement.

The append path speaks to the driver's cursor: compiling a statement for every batch would cost more than running it.
"""

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from select import POLLIN, POLLOUT, poll
from typing import Any, Protocol

from sqlalchemy import BigInteger, Engine, Integer, LargeBinary, Table, Text

Row = tuple[Any, ...]

_APPEND_LOCK = 7238702
"""Names the one advisory lock under which positions are given out."""


class Dialect(Protocol):
    """The append path's view of a database. `mark` stands for a parameter in statements of ours."""

    mark: str

    def begin(self, cursor: Any) -> None:
        """Begins the transaction of the only writer: whoever comes next waits until it ended."""

    def using(self, index: str) -> str:
        """What follows a table's name to have it read by that index.

        SQLite, without statistics, prefers the beginning of the primary key, however little it tells.
        """

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        """Begins a transaction of who comes seldom, between those of busy writers.

        Without `turn` it writes nothing of the log: on PostgreSQL no writer has to wait for it then.
        """

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        """Inside, statements whose rows nobody asks for need not be answered before the next one leaves."""

    def insert(self, cursor: Any, into: "Insert", rows: Sequence[Row]) -> None:
        """Inserts all rows, in as few statements as the database takes."""

    def lookup(self, cursor: Any, find: "Lookup", keys: Sequence[Row]) -> Iterator[Row]:
        """The rows that any of the keys names; a row may come more than once."""

    def contains(self, column: str) -> str:
        """A condition: the bytes of a parameter (`?`) stand somewhere in those of the column."""


class Insert:
    """An insert of rows into a table, whole but for the columns `without`; `conflict` is the clause behind it."""

    def __init__(self, table: Table, conflict: str = "", without: Sequence[str] = ()) -> None:
        columns = [column for column in table.columns if column.name not in without]
        self.names = [column.name for column in columns]
        self.head = f"INSERT INTO {table.name} ({', '.join(self.names)})"
        self.types = [_array_type(column.type) for column in columns]
        self.conflict = conflict

    @classmethod
    def upsert(cls, table: Table, keep: Sequence[str] = ()) -> "Insert":
        """Inserts; a row with the same primary key gets the new values, but for the columns `keep`.

        An index is written again wherever one of its columns is set, though the value be the same.
        """
        keys = [column.name for column in table.primary_key]
        new = ", ".join(f"{c.name} = excluded.{c.name}" for c in table.columns if c.name not in {*keys, *keep})
        return cls(table, f" ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {new}")


class Lookup:
    """Finds rows by many keys at once: `columns` and `rest` are SQL over the table `t`; a key is a tuple.

    `index`: the one to take, where SQLite would walk the primary key.
    """

    def __init__(
        self, columns: str, table: Table, key: Sequence[str], rest: str = "", index: str | None = None
    ) -> None:
        self.head = f"SELECT {columns} FROM k JOIN {table.name} t"
        self.on = " ON " + " AND ".join(f"t.{c} = k.{c}" for c in key)
        self.select = self.head + self.on
        self.index = index
        self.rest = rest
        self.key = key
        self.types = [_array_type(table.c[c].type) for c in key]


class Sqlite:
    """Statements of few distinct sizes, so that the driver finds every one prepared."""

    mark = "?"
    _MOST = 64

    def using(self, index: str) -> str:
        return f" INDEXED BY {index}"

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:  # noqa: ARG002 - there is one lock
        self.begin(cursor)

    def begin(self, cursor: Any) -> None:
        """Looks for the lock every half millisecond: SQLite's own waiting sleeps longer and longer, past every gap."""
        (timeout,) = cursor.execute("PRAGMA busy_timeout").fetchone()
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            self._seize(cursor, time.monotonic() + timeout / 1_000)
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {timeout}")

    def _seize(self, cursor: Any, deadline: float) -> None:
        while True:
            try:
                cursor.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.0005)
            else:
                return

    def together(self, connection: Any) -> AbstractContextManager[Any]:  # noqa: ARG002 - nothing travels
        return nullcontext()

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        cursor.executemany(f"{into.head} VALUES ({', '.join('?' * len(into.names))}){into.conflict}", rows)

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        one = f"({', '.join('?' * len(find.key))})"
        select = find.head + self.using(find.index) + find.on if find.index else find.select
        for start in range(0, len(keys), self._MOST):
            some = self._padded(keys[start : start + self._MOST])
            head = f"WITH k ({', '.join(find.key)}) AS (VALUES {', '.join([one] * len(some))}) "
            yield from cursor.execute(head + select + find.rest, list(chain.from_iterable(some)))

    def contains(self, column: str) -> str:
        return f"instr({column}, ?) > 0"

    @staticmethod
    def _padded(keys: Sequence[Row]) -> list[Row]:
        """The last key again, up to a power of two."""
        return [*keys, *[keys[-1]] * ((1 << (len(keys) - 1).bit_length()) - len(keys))]


class Postgresql:
    """Columns travel as arrays: one prepared statement whatever the number of rows. The driver begins by itself."""

    mark = "%s"

    def begin(self, cursor: Any) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_APPEND_LOCK,))

    def using(self, index: str) -> str:  # noqa: ARG002 - it has statistics
        return ""

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        """The driver begins with the first statement."""
        if turn:
            self.begin(cursor)

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        pipeline: AbstractContextManager[Any] = connection.driver_connection.pipeline()
        return pipeline

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        arrays = ", ".join(f"%b::{kind}[]" for kind in into.types)
        sql = f"{into.head} SELECT * FROM unnest({arrays}){into.conflict}"
        cursor.execute(sql, [list(column) for column in zip(*rows, strict=True)], prepare=True)
        _see_off(cursor.connection.pgconn)

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        arrays = ", ".join(f"%b::{kind}[]" for kind in find.types)
        sql = f"WITH k ({', '.join(find.key)}) AS (SELECT * FROM unnest({arrays})) {find.select}{find.rest}"
        cursor.execute(sql, [list(column) for column in zip(*keys, strict=True)], prepare=True)
        _see_off(cursor.connection.pgconn)
        yield from cursor

    def contains(self, column: str) -> str:
        return f"position(? in {column}) > 0"


def _see_off(connection: Any) -> None:
    """Returns once everything has left for the server, and a short statement can follow at once.

    While statements leave together, the driver flushes once and then waits for answers alone: what is larger than the
    socket's buffer would stay behind, and both sides would wait for ever (libpq, "Asynchronous Command Processing").
    """
    ready = poll()
    ready.register(connection.socket, POLLIN | POLLOUT)
    while True:
        unsent = connection.flush()
        events = ready.poll()[0][1]
        if not unsent and events & ~POLLIN:
            return
        if events & POLLIN:
            connection.consume_input()


_DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": Postgresql()}


def dialect_of(engine: Engine) -> Dialect:
    """The append path's view of the engine's database."""
    return _DIALECTS[engine.dialect.name]


_ARRAY_TYPES = {Text: "text", BigInteger: "bigint", Integer: "integer", LargeBinary: "bytea"}


def _array_type(kind: Any) -> str:
    return _ARRAY_TYPES[type(kind)]
