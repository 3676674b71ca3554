"""Opens a database with durable settings and explicit transactions."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

from adapters.sql.connections import session
from adapters.sql.connections.address import SQLITE_OPTIONS, address
from adapters.sql.connections.files import CheckedConnection as SqliteConnection
from adapters.sql.connections.files import DatabaseFiles, Noted
from adapters.sql.database.errors import our_errors, spoils_session
from adapters.sql.database.limits import hold_to_limits

NAME = "hookfold"
"""The `application_name` of PostgreSQL sessions, unless a process of the service has its own."""

WAL_LIMIT = 32 * 2**20
"""The bytes that SQLite's write-ahead log is truncated to after a checkpoint. A long reader lets it grow beyond this.

It is twice the usual size."""

_SQLITE_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA recursive_triggers = ON",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -65536",
    "PRAGMA wal_autocheckpoint = 4000",
    f"PRAGMA journal_size_limit = {WAL_LIMIT}",
)


def open_engine(
    url: str,
    *,
    pool_size: int = 8,
    make: bool = True,
    noted: Noted | None = None,
    keeps: bool = False,
    read_only: bool = False,
    name: str = NAME,
) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…` (psycopg 3), not connected yet.

    `noted` are the files that another process of the service has open under this path (`files_at`); with `keeps`, this
    process holds them open too. With `read_only`, the database itself refuses writes, and nothing is created. `name` is
    what PostgreSQL shows as `application_name`. Raises WrongAddress if the URL is wrong and, without `make`,
    Unavailable if the file does not exist.
    """
    parsed = address(url)
    if parsed.get_backend_name() == "sqlite":
        files = DatabaseFiles(Path(parsed.database or ""), noted, keeps=keeps)
        engine = _open_sqlite(parsed, files, pool_size, make and noted is None and not read_only)
        if read_only:
            event.listen(engine, "connect", _only_read)
    else:
        engine = _open_postgresql(parsed, pool_size, name, read_only=read_only)
    hold_to_limits(engine)
    engine.update_execution_options(read_only=read_only)
    return engine


def is_standby(engine: Engine) -> bool:
    """Whether the database is a standby, which takes no writes. Raises Unavailable."""
    if engine.dialect.name != "postgresql":
        return False
    with our_errors(), engine.connect() as connection:
        return bool(connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one())


def _only_read(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _open_postgresql(parsed: URL, pool_size: int, name: str, *, read_only: bool) -> Engine:
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,  # otherwise the driver queries that type on its first connection
        connect_args=session.arguments(parsed, name=name, read_only=read_only),
    )
    event.listen(engine, "connect", session.begin, insert=True)  # before every other listener
    event.listen(engine, "handle_error", _give_up)
    return engine


def _give_up(context: ExceptionContext) -> None:
    """Treats a session that cannot work like a broken connection: it leaves the pool together with the sessions of its
    age.
    """
    if spoils_session(context.original_exception):
        context.is_disconnect = True


@contextmanager
def opened_engine(url: str, *, make: bool = True, read_only: bool = False) -> Iterator[Engine]:
    """An engine that is disposed of at the end of the block."""
    engine = open_engine(url, make=make, read_only=read_only)
    try:
        yield engine
    finally:
        engine.dispose()


def files_at(url: str) -> Noted | None:
    """The open files of a URL, to pass to the other processes of the service; None if there are none."""
    parsed = address(url)
    return DatabaseFiles(Path(parsed.database or "")).look() if parsed.get_backend_name() == "sqlite" else None


def _open_sqlite(parsed: URL, files: DatabaseFiles, pool_size: int, make: bool) -> Engine:
    if make:
        _make_private(files.path)
    elif files.noted is None:
        files.before()
    engine = create_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=pool_size,
        hide_parameters=True,
        connect_args={"check_same_thread": False, "isolation_level": None, "factory": SqliteConnection}
        | _unsaid(parsed),
    )
    event.listen(engine, "do_connect", lambda *_: files.before())
    event.listen(engine, "connect", partial(_settle, files))
    event.listen(engine, "checkout", lambda *_: files.check())
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    event.listen(engine, "engine_disposed", lambda _: files.close())
    return engine


def _unsaid(parsed: URL) -> dict[str, Any]:
    """The defaults of options that the URL does not set."""
    return {name: value for name, value in SQLITE_OPTIONS.items() if name not in parsed.query}


def _make_private(path: Path) -> None:
    """Creates the file readable by the service alone. SQLite gives its companion files the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


def _settle(files: DatabaseFiles, connection: Any, _record: object) -> None:
    connection.files = files
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    files.opened()
