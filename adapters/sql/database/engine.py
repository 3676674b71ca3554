"""Opens a database: durability settings, and transactions that begin when we say so."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, ExceptionContext, create_engine, event

from adapters.sql.database import session
from adapters.sql.database.address import SQLITE_OPTIONS, address
from adapters.sql.database.errors import our_errors, spoils_session
from adapters.sql.database.files import CheckedConnection as SqliteConnection
from adapters.sql.database.files import DatabaseFiles, Noted
from adapters.sql.database.limits import hold_to_limits

WAL_LIMIT = 32 * 2**20
"""Bytes that SQLite's write-ahead log is cut to once it was carried over: a long reader lets it grow, as far as it may.

Twice what it has when all goes well.
"""

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
) -> Engine:
    """An engine for `sqlite:///path` or `postgresql://…` (psycopg 3). Nothing is connected yet.

    `noted`: the files that another process of the service has open under this path (`files_at`); `keeps`: so that this
    one keeps them open as well.
    `read_only`: the database itself refuses whatever would write; nothing is made then.
    Raises WrongAddress where the URL is wrong; without `make`, Unavailable where the file is not there.
    """
    parsed = address(url)
    if parsed.get_backend_name() == "sqlite":
        files = DatabaseFiles(Path(parsed.database or ""), noted, keeps=keeps)
        engine = _open_sqlite(parsed, files, pool_size, make and noted is None and not read_only)
        if read_only:
            event.listen(engine, "connect", _only_read)
    else:
        engine = _open_postgresql(parsed, pool_size, read_only=read_only)
    hold_to_limits(engine)
    engine.update_execution_options(read_only=read_only)
    return engine


def is_standby(engine: Engine) -> bool:
    """Whether the database follows another server's log, and so takes no writes. Raises Unavailable."""
    if engine.dialect.name != "postgresql":
        return False
    with our_errors(), engine.connect() as connection:
        return bool(connection.exec_driver_sql("SELECT pg_is_in_recovery()").scalar_one())


def _only_read(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA query_only = ON")


def _open_postgresql(parsed: URL, pool_size: int, *, read_only: bool) -> Engine:
    engine = create_engine(
        parsed.set(drivername="postgresql+psycopg"),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        hide_parameters=True,
        use_native_hstore=False,  # the driver would ask for that type over its first connection
        connect_args=session.arguments(parsed, read_only=read_only),
    )
    event.listen(engine, "connect", session.begin, insert=True)  # the first to speak over it
    event.listen(engine, "handle_error", _give_up)
    return engine


def _give_up(context: ExceptionContext) -> None:
    """A session that cannot do its work leaves the pool, with the others of its time, as one whose socket broke."""
    if spoils_session(context.original_exception):
        context.is_disconnect = True


@contextmanager
def opened_engine(url: str, *, make: bool = True, read_only: bool = False) -> Iterator[Engine]:
    """An engine for as long as the block lasts."""
    engine = open_engine(url, make=make, read_only=read_only)
    try:
        yield engine
    finally:
        engine.dispose()


def files_at(url: str) -> Noted | None:
    """The files of a URL, which a process of the service has open, for the others; None where there are none."""
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
    """What the URL may say, where it does not."""
    return {name: value for name, value in SQLITE_OPTIONS.items() if name not in parsed.query}


def _make_private(path: Path) -> None:
    """A new file holds what is nobody's business but the service's; SQLite gives its companions the same mode."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


def _settle(files: DatabaseFiles, connection: Any, _record: object) -> None:
    connection.files = files
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    files.opened()
