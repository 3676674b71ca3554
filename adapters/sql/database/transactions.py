"""Short transactions beside the append path: what replays, catches up, and looks at versions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from adapters.sql.database.errors import cause_of, is_for_now, is_from_driver, spoils_session, unavailable
from adapters.sql.dialects.dialect import dialect_of


def is_read_only(engine: Engine) -> bool:
    """Whether the engine was opened for reading alone."""
    return bool(engine.get_execution_options().get("read_only"))


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes what is not of the log, and ends with the block.

    On SQLite it has its turn from the beginning: one that reads first would fail to get it.
    """
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("ROLLBACK")
        dialect_of(engine).begin_beside(connection.connection.cursor(), turn=False)
        try:
            yield connection
        except Exception as error:
            if spoils_session(error):  # where the driver's cursor told it, the engine does not see it
                connection.invalidate(error)
            raise
        connection.commit()


def _nothing(_: Any) -> None:
    pass


class Transactions:
    """Gives cursors of the engine's driver. Each raises Unavailable where the database cannot be used now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.read_only = is_read_only(engine)
        self.dialect = dialect_of(engine)

    @contextmanager
    def turn(self) -> Iterator[Any]:
        """The turn of the only writer: nothing is appended, by any process, until the block has ended."""
        with self._transaction(partial(self.dialect.begin_beside, turn=True)) as cursor:
            yield cursor

    @contextmanager
    def short_turn(self) -> Iterator[Any]:
        """The same for what can be made again: its commit does not wait for the disk.

        A commit behind it waits for both; so a crash may undo it, and then nothing that was committed later stays.
        """
        with self._transaction(self.dialect.begin_unflushed, self.dialect.flush_again) as cursor:
            yield cursor

    @contextmanager
    def beside(self) -> Iterator[Any]:
        """Writes what is not of the log: on PostgreSQL appends go on."""
        with self._transaction(partial(self.dialect.begin_beside, turn=False)) as cursor:
            yield cursor

    @contextmanager
    def reading(self) -> Iterator[Any]:
        """Reads; each statement sees what is committed by then."""
        with self._transaction(_nothing) as cursor:
            yield cursor

    @contextmanager
    def _transaction(self, begin: Callable[[Any], None], behind: Callable[[Any], None] = _nothing) -> Iterator[Any]:
        """`behind` readies the connection for others again: one that failed goes to nobody."""
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
