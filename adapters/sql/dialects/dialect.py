"""What differs between the databases: the append lock, and how many rows travel in one statement.

The append path uses the driver's cursor, because compiling a statement for every batch would cost more than running it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Engine

from adapters.sql.dialects.postgresql import Postgresql
from adapters.sql.dialects.sqlite import Sqlite
from adapters.sql.dialects.statements import Delete, Guarded, Insert, Lookup, Row, Write

__all__ = ["Ahead", "Delete", "Dialect", "Guarded", "Insert", "Lookup", "Row", "Write", "Writes", "dialect_of"]


class Ahead(Protocol):
    """Sends appends without waiting for their outcomes. Each happens completely, or not at all if its guard refuses it.

    `socket` becomes readable when an outcome arrives, unless `answered` is true already.
    """

    @property
    def socket(self) -> int: ...

    @property
    def answered(self) -> bool: ...

    def send(self, epoch: str, leaf: bytes, writes: Mapping[Write, Sequence[Row]]) -> None:
        """Sends one. Its guard compares `epoch` and `leaf` with the database. Raises the driver's errors."""

    def receive(self) -> bool:
        """Waits for the oldest outcome: whether it is committed. Raises the driver's errors if that is unknown."""

    def rest(self) -> None:
        """Ends pipelining, so that others can use the connection. Every outcome must have been received."""


class Dialect(Protocol):
    """The append path's view of a database. `mark` is its placeholder for a parameter.

    `skip_locked` is the clause by which a query locks its rows and omits those locked by others.
    """

    mark: str
    skip_locked: str

    def settle(self, connection: Any, hot: Iterable[Write]) -> None:
        """Configures a connection for appends only. `hot` are the writes of nearly every batch."""

    def ahead(self, connection: Any, guarded: Guarded) -> Ahead | None:
        """The optimistic pipeline of a settled connection; None if the database gains nothing by it."""

    def begin(self, cursor: Any) -> None:
        """Begins a transaction and takes the append lock until its end."""

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        """Begins an occasional transaction on a pooled connection, between those of the writer.

        With `turn` it takes the append lock. Without, it writes outside the log, and PostgreSQL's writer need not wait.
        """

    def begin_unflushed(self, cursor: Any) -> None:
        """Like `begin`, but the commit does not wait for the disk. The next durable commit flushes both."""

    def flush_again(self, cursor: Any) -> None:
        """Makes later commits durable again, after such a transaction."""

    def alone_with(self, cursor: Any, source: str) -> None:
        """Takes a source's relay lock until the transaction ends. On SQLite a writing transaction is alone already."""

    def using(self, index: str) -> str:
        """The clause after a table's name that makes the database use an index.

        SQLite has no statistics and prefers a prefix of the primary key, however unselective.
        """

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        """A cursor that may send the next statement before the previous one is answered, if its rows are not needed."""

    def run(self, cursor: Any, sql: str, *values: Any) -> Any:
        """Executes a statement with `?` in the place of each value; the cursor, which has its rows."""

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        """Inserts all rows, in as few statements as the database takes."""

    def insert_all(self, cursor: Any, inserts: Mapping[Insert, Sequence[Row]]) -> None:
        """The same for several tables, none of which may refer to rows that another one gets."""

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        """The rows with any of the keys, possibly repeated. The cursor must not be used before all were read."""

    def contains(self, column: str) -> str:
        """A condition that a column contains the bytes of a parameter (`?`)."""


class Writes:
    """Collects the inserts of one transaction, and sends them together when `flush` is called."""

    def __init__(self, dialect: Dialect, cursor: Any) -> None:
        self.cursor = cursor
        self._dialect = dialect
        self._rows: dict[Insert, list[Row]] = {}

    def add(self, into: Insert, rows: Sequence[Row]) -> None:
        """Adds rows, which no statement sees before `flush`."""
        if rows:
            self._rows.setdefault(into, []).extend(rows)

    def flush(self) -> None:
        """Inserts the collected rows."""
        rows, self._rows = self._rows, {}
        if rows:
            self._dialect.insert_all(self.cursor, rows)


_DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": Postgresql()}


def dialect_of(engine: Engine) -> Dialect:
    """The append path's view of the engine's database."""
    return _DIALECTS[engine.dialect.name]
