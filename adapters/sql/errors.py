"""Driver errors become ours here: which of them mean "not now", and which "never this row"."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFreeError

from adapters.sql.entries import Unavailable

_DRIVERS = ("sqlite3", "psycopg")


def is_for_now(error: Exception) -> bool:
    """True where the database could not work at the moment (PEP 249: operational and the like), whatever the row.

    So is a `DatabaseError` of no kind: SQLite calls a broken file that.
    """
    if isinstance(error, NoneFreeError):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    names = {kind.__name__ for kind in type(cause).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "InternalError"}) or (
        type(cause).__name__ == "DatabaseError"
    )


def cause_of(error: BaseException) -> str:
    """What a line of the log may say of an error: words on the database's own state, of others the kind only.

    PostgreSQL tells the values of a row that it refuses, and those may be personal.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, Unavailable):
        return str(cause)
    words = str(cause).partition("\n")[0][:200] if isinstance(error, Exception) and is_for_now(error) else ""
    return f"{type(cause).__name__}: {words}" if words else type(cause).__name__


@contextmanager
def our_errors() -> Iterator[None]:
    """A block in which a database that is away raises Unavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and not is_for_now(error):
            raise
        raise Unavailable(cause_of(error)) from error


def is_from_driver(error: BaseException) -> bool:
    """True where the database or its driver raised it, not code of ours."""
    return any(kind.__name__ == "Error" and kind.__module__.startswith(_DRIVERS) for kind in type(error).__mro__)
