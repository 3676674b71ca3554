"""Short transactions outside the append path, for replays, catching up and versions."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from adapters.sql.database.errors import cause_of, is_for_now, is_from_driver, spoils_session, unavailable
from adapters.sql.dialects.dialect import dialect_of

Cursor = AbstractContextManager[Any]
"""A block with a cursor of the driver, in a transaction that ends with it."""


def is_read_only(engine: Engine) -> bool:
    """Whether the engine was opened read-only."""
    return bool(engine.get_execution_options().get("read_only"))


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes outside the log and ends with the block.

    On SQLite it takes the write lock at once, because a transaction that has read first may fail to get it.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("ROLLBACK")
        dialect_of(engine).begin_beside(connection.connection.cursor(), turn=False)
        try:
            yield connection
        except Exception as error:
            if spoils_session(error):  # the engine does not see errors of the driver's own cursor
                connection.invalidate(error)
            raise
        connection.commit()


def _nothing(_: Any) -> None:
    pass


class Transactions:
    """Provides cursors of the engine's driver. Each raises Unavailable if the database cannot be used now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.read_only = is_read_only(engine)
        self.dialect = dialect_of(engine)

    def turn(self) -> Cursor:
        """Holds the append lock: no process appends until the block ends."""
        return self._transaction(partial(self.dialect.begin_beside, turn=True))

    def short_turn(self) -> Cursor:
        """The same for derived data: the commit does not wait for the disk.

        The next durable commit flushes both. A crash may undo this one, but then also everything committed after it.
        """
        return self._transaction(self.dialect.begin_unflushed, self.dialect.flush_again)

    def beside(self) -> Cursor:
        """Writes outside the log. On PostgreSQL appends continue meanwhile."""
        return self._transaction(partial(self.dialect.begin_beside, turn=False))

    def reading(self) -> Cursor:
        """Reads. Each statement sees what is committed by then."""
        return self._transaction(_nothing)

    def rows(self, sql: str, *values: Any) -> list[Any]:
        """The rows that a statement finds now, with `?` in the place of each value."""
        with self.reading() as cursor:
            return list(self.dialect.run(cursor, sql, *values).fetchall())

    @contextmanager
    def _transaction(self, begin: Callable[[Any], None], behind: Callable[[Any], None] = _nothing) -> Iterator[Any]:
        """`behind` resets the connection for the pool. A connection that failed is discarded."""
        connection: Any = None
        try:
            connection = self._engine.raw_connection()
            cursor = connection.cursor()
            begin(cursor)
            yield cursor
            connection.commit()
            behind(cursor)
        except Exception as error:
            if connection is not None:
                connection.invalidate()
            if (is_from_driver(error) or isinstance(error, DBAPIError)) and is_for_now(error):
                raise unavailable(error, cause_of(error)) from error
            raise
        finally:
            if connection is not None:
                connection.close()
