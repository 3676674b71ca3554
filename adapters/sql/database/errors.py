"""Translates driver errors: which mean "not now", and which "never this row"."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFreeError

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.limits import TooLong, was_stopped

_DRIVERS = ("sqlite3", "psycopg")

_SQLITE_PASSES = frozenset({3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 26})
"""Primary result codes: PERM, ABORT, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN,
PROTOCOL, SCHEMA, NOTADB. Not ERROR, a statement that is wrong or too large: it will fail again."""

_POSTGRESQL_PASSES = frozenset("08 25 26 28 3D 3F 40 53 55 57 58 F0 XX".split())
"""Classes of SQLSTATE: connection, transaction (read-only), missing prepared statement, authorization, database,
schema, rollback, resources, object state, operator intervention, system, configuration file, internal. Not 54, a
program limit: that statement will never fit."""

_POSTGRESQL_LACKS = frozenset({"42501", "42704", "42P01"})
"""A missing right, type or table. Our statements name only what exists, but a schema without rights is invisible."""

_POSTGRESQL_WAITS = ("40", "55", "57014")
"""Rolled back, or waited too long: the session remains usable."""


def is_for_now(error: Exception) -> bool:
    """Whether the error comes from the database's present condition rather than from the row, so that a retry may
    succeed.

    PEP 249's classes mix such errors with permanent ones, so the database's own code decides.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if (state := getattr(cause, "sqlstate", None)) is not None:
        return state[:2] in _POSTGRESQL_PASSES or state in _POSTGRESQL_LACKS
    if not _is_of_the_database(error):
        return False
    code = getattr(cause, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _SQLITE_PASSES


def spoils_session(error: BaseException) -> bool:
    """Whether a PostgreSQL session may stay unusable after this error although new sessions work.

    It may have begun as read-only, or have lost its types and statements in a failover.
    """
    if not isinstance(error, Exception) or not is_for_now(error):
        return False
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(_POSTGRESQL_WAITS)


def _is_of_the_database(error: BaseException) -> bool:
    """Whether the error is no row's fault. A plain `DatabaseError` counts too: SQLite raises it for a broken file."""
    if isinstance(error, NoneFreeError | Unavailable):
        return True
    cause = error.orig if isinstance(error, DBAPIError) else error
    names = {kind.__name__ for kind in type(cause).__mro__}
    return bool(names & {"OperationalError", "InterfaceError", "InternalError"}) or (
        type(cause).__name__ == "DatabaseError"
    )


def cause_of(error: BaseException) -> str:
    """The description of an error for the log: its text if it concerns the database's own state, else only its kind.

    PostgreSQL quotes the values of a refused row, which may be personal.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    if isinstance(cause, Unavailable):
        return str(cause)
    words = str(cause).partition("\n")[0][:200] if _is_told(error) else ""
    return f"{type(cause).__name__}: {words}" if words else type(cause).__name__


def _is_told(error: BaseException) -> bool:
    return _is_of_the_database(error) or (isinstance(error, Exception) and is_for_now(error))


@contextmanager
def our_errors() -> Iterator[None]:
    """Within the block, an unreachable database raises Unavailable, a statement at its time limit TooLong."""
    try:
        yield
    except Unavailable:
        raise
    except Exception as error:
        ours = isinstance(error, SQLAlchemyError) and not isinstance(error, DBAPIError)
        if not ours and not (is_for_now(error) and (isinstance(error, DBAPIError) or is_from_driver(error))):
            raise
        raise unavailable(error, cause_of(error)) from error


def unavailable(error: Exception, words: str) -> Unavailable:
    """Returns our exception for a transient database error; `words` is its message.

    It is TooLong if the statement was stopped at its time limit, else Unavailable.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return TooLong(words) if was_stopped(cause) else Unavailable(words)


def is_from_driver(error: BaseException) -> bool:
    """Whether the database or its driver raised the error."""
    return any(kind.__name__ == "Error" and kind.__module__.startswith(_DRIVERS) for kind in type(error).__mro__)
