"""Driver errors become ours here: which of them mean "not now", and which "never this row"."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from adapters.sql.entries import Unavailable

_DRIVERS = ("sqlite3", "psycopg")


def is_for_now(error: Exception) -> bool:
    """True where the database could not work at the moment (PEP 249: operational and the like), whatever the row."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    names = {kind.__name__ for kind in type(cause).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "InternalError"})


@contextmanager
def our_errors() -> Iterator[None]:
    """A block in which a database that is away raises Unavailable."""
    try:
        yield
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and not is_for_now(error):
            raise
        raise Unavailable(type(error).__name__) from error


def is_from_driver(error: BaseException) -> bool:
    """True where the database or its driver raised it, not code of ours."""
    return any(kind.__name__ == "Error" and kind.__module__.startswith(_DRIVERS) for kind in type(error).__mro__)
