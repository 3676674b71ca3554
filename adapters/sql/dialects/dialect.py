"""What differs between the databases: how a writer takes its turn, and how many rows go over in one statement.

The append path speaks to the driver's cursor: compiling a statement for every batch would cost more than running it.
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
    """Appends on their way to the database: each is done whole, or not at all where its guard refuses it.

    `socket` can be read once an answer has come, unless that is `answered` already.
    """

    @property
    def socket(self) -> int: ...

    @property
    def answered(self) -> bool: ...

    def send(self, epoch: str, leaf: bytes, writes: Mapping[Write, Sequence[Row]]) -> None:
        """Sends one. `epoch` and `leaf`: what the guard has to find. Raises the driver's errors."""

    def receive(self) -> bool:
        """Waits for the oldest one's answer: whether it is committed. Raises the driver's errors: nobody knows then."""

    def rest(self) -> None:
        """Lets others speak to the connection again; every answer has to be there."""


class Dialect(Protocol):
    """The append path's view of a database. `mark` stands for a parameter in statements of ours.

    `skip_locked` ends a query of rows that its transaction takes for itself: those of others are left out.
    """

    mark: str
    skip_locked: str

    def settle(self, connection: Any, hot: Iterable[Write]) -> None:
        """Readies a connection that from now on only appends; the writes `hot` will come in nearly every batch."""

    def ahead(self, connection: Any, guarded: Guarded) -> Ahead | None:
        """What sends appends of a settled connection without waiting for answers. None where that gains nothing."""

    def begin(self, cursor: Any) -> None:
        """Begins the transaction of the only writer: whoever comes next waits until it ended."""

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        """Begins a transaction of who comes seldom, between those of busy writers.

        Without `turn` it writes nothing of the log: on PostgreSQL no writer has to wait for it then.
        """

    def begin_unflushed(self, cursor: Any) -> None:
        """Begins a turn whose commit does not wait for the disk: the next one that does waits for both."""

    def flush_again(self, cursor: Any) -> None:
        """Behind such a transaction: those to come wait for the disk, as ever."""

    def alone_with(self, cursor: Any, source: str) -> None:
        """Keeps others from taking or settling deliveries of the source until the transaction ends; waits for who does.

        A transaction that writes on SQLite is alone already.
        """

    def using(self, index: str) -> str:
        """What follows a table's name to have it read by that index.

        SQLite, without statistics, prefers the beginning of the primary key, however little it tells.
        """

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        """Gives a cursor. Statements whose rows nobody asks of it need not be answered before the next one leaves."""

    def run(self, cursor: Any, sql: str, *values: Any) -> Any:
        """Executes a statement with `?` in the place of each value; the cursor, which has its rows."""

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        """Inserts all rows, in as few statements as the database takes."""

    def insert_all(self, cursor: Any, inserts: Mapping[Insert, Sequence[Row]]) -> None:
        """The same for several tables, none of which may need what another one gets."""

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        """The rows that any of the keys names; a row may come more than once. The cursor is theirs until all came."""

    def contains(self, column: str) -> str:
        """A condition: the bytes of a parameter (`?`) stand somewhere in those of the column."""


class Writes:
    """Inserts of one transaction, which leave together: when all are there, or before somebody has to read them."""

    def __init__(self, dialect: Dialect, cursor: Any) -> None:
        self.cursor = cursor
        self._dialect = dialect
        self._rows: dict[Insert, list[Row]] = {}

    def add(self, into: Insert, rows: Sequence[Row]) -> None:
        """Rows that nobody has to see yet."""
        if rows:
            self._rows.setdefault(into, []).extend(rows)

    def flush(self) -> None:
        """Writes what was added."""
        rows, self._rows = self._rows, {}
        if rows:
            self._dialect.insert_all(self.cursor, rows)


_DIALECTS: dict[str, Dialect] = {"sqlite": Sqlite(), "postgresql": Postgresql()}


def dialect_of(engine: Engine) -> Dialect:
    """The append path's view of the engine's database."""
    return _DIALECTS[engine.dialect.name]
