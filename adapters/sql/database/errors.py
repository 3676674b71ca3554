"""Driver errors become ours here: which of them mean "not now", and which "never this row"."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoneFreeError

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.database.limits import TooLong, was_stopped

_DRIVERS = ("sqlite3", "psycopg")

_SQLITE_PASSES = frozenset({3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 17, 26})
"""Primary result codes: PERM, ABORT, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN,
PROTOCOL, SCHEMA, NOTADB. ERROR is a statement that is wrong, or larger than SQLite takes: it will be so tomorrow."""

_POSTGRESQL_PASSES = frozenset("08 25 26 28 3D 3F 40 53 55 57 58 F0 XX".split())
"""Classes of SQLSTATE: connection, transaction (read-only), a prepared statement that is gone, authorization, database,
schema, rollback, resources, not in that state, operator, system, configuration file, internal. Not 54, a program limit:
that statement will never fit."""

_POSTGRESQL_LACKS = frozenset({"42501", "42704", "42P01"})
"""A right, a type, a table: our statements name what is always there, and without rights on a schema it is not seen."""

_POSTGRESQL_WAITS = ("40", "55", "57014")
"""Rolled back, or waited too long: the session is as good as before."""


def is_for_now(error: Exception) -> bool:
    """True where the database could not work at the moment, whatever the row: it passes by waiting, or by a mend there.

    PEP 249 calls it operational or the like, but also what cannot pass: there, the database's own code decides.
    """
    cause = error.orig if isinstance(error, DBAPIError) else error
    if (state := getattr(cause, "sqlstate", None)) is not None:
        return state[:2] in _POSTGRESQL_PASSES or state in _POSTGRESQL_LACKS
    if not _is_of_the_database(error):
        return False
    code = getattr(cause, "sqlite_errorcode", None)
    return code is None or code & 0xFF in _SQLITE_PASSES


def spoils_session(error: BaseException) -> bool:
    """True where PostgreSQL said that it cannot work now: a session that saw it may stay so when others do not.

    It was read-only when the session began, or the session's types and statements went with a failover.
    """
    if not isinstance(error, Exception) or not is_for_now(error):
        return False
    state = getattr(error, "sqlstate", None)
    return state is not None and not state.startswith(_POSTGRESQL_WAITS)


def _is_of_the_database(error: BaseException) -> bool:
    """True for what is no row's fault. A `DatabaseError` of no kind is none: SQLite calls a broken file that."""
    if isinstance(error, NoneFreeError | Unavailable):
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
    words = str(cause).partition("\n")[0][:200] if _is_told(error) else ""
    return f"{type(cause).__name__}: {words}" if words else type(cause).__name__


def _is_told(error: BaseException) -> bool:
    return _is_of_the_database(error) or (isinstance(error, Exception) and is_for_now(error))


@contextmanager
def our_errors() -> Iterator[None]:
    """A block in which a database that is away raises Unavailable, and a statement at its time limit TooLong."""
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
    """What an error that passes by waiting is called here."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    return TooLong(words) if was_stopped(cause) else Unavailable(words)


def is_from_driver(error: BaseException) -> bool:
    """True where the database or its driver raised it, not code of ours."""
    return any(kind.__name__ == "Error" and kind.__module__.startswith(_DRIVERS) for kind in type(error).__mro__)
