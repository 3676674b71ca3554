"""A time limit on a thread's statements. A statement that exceeds it is stopped and raises TooLong."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from time import monotonic
from typing import Any, NamedTuple

from sqlalchemy import Engine, event

from adapters.sql.database.exceptions import Unavailable

_INSTRUCTIONS = 100_000
"""Instructions of SQLite's virtual machine between two looks at the clock: a few milliseconds."""


class TooLong(Unavailable):
    """The database works, but the statement was stopped at its time limit."""


class _Limit(NamedTuple):
    statement: float
    until: float


_limit: ContextVar[_Limit | None] = ContextVar("limit", default=None)


@contextmanager
def time_limit(seconds: float, waiting: float = 0) -> Iterator[None]:
    """Limits the time that this thread's statements within the block may take, plus `waiting` for locks and the like.

    Raises TooLong. On PostgreSQL the last statement may begin just before the end.
    """
    token = _limit.set(_Limit(seconds, monotonic() + seconds + waiting))
    try:
        yield
    finally:
        _limit.reset(token)


def hold_to_limits(engine: Engine) -> None:
    """Makes the engine's connections observe the limit of the thread that uses them."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "checkout", _stop_in_time)
        event.listen(engine, "checkin", _let_run)
    else:
        event.listen(engine, "checkout", _limit_statements)


def _stop_in_time(connection: Any, _record: object, _proxy: object) -> None:
    """SQLite: the progress handler interrupts the statement."""
    if (limit := _in_force()) is not None:
        connection.set_progress_handler(partial(_is_over, limit), _INSTRUCTIONS)


def _let_run(connection: Any, _record: object) -> None:
    if connection is not None:
        connection.set_progress_handler(None, 0)


def _limit_statements(connection: Any, record: Any, _proxy: object) -> None:
    """PostgreSQL: sets `statement_timeout` if the connection's last user had another one."""
    limit = _in_force()
    wanted = None if limit is None else f"{limit.statement * 1000:.0f}"
    if record.info.get("statement_timeout") != wanted:
        connection.execute(f"SET statement_timeout = {wanted}" if wanted else "RESET statement_timeout")
        connection.commit()
        record.info["statement_timeout"] = wanted


def _in_force() -> _Limit | None:
    limit = _limit.get()
    if limit is not None and _is_over(limit):
        raise TooLong("the question took too long")
    return limit


def _is_over(limit: _Limit) -> bool:
    return monotonic() > limit.until


def was_stopped(error: BaseException) -> bool:
    """Whether a driver's error means that the statement was stopped at its limit."""
    interrupted = getattr(error, "sqlite_errorcode", None) == 9  # SQLITE_INTERRUPT
    return interrupted or getattr(error, "sqlstate", None) == "57014"  # query_canceled
