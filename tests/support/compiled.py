"""Makes engines faster: SQLAlchemy compiles a statement once for a kind of database, not again for each engine."""

from typing import Any

from sqlalchemy import Dialect, Engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.util import LRUCache

_compiled: dict[type[Dialect], LRUCache[Any, Any]] = {}


def compile_statements_once() -> None:
    """From now on in this process. All engines of a dialect are opened alike, so that what one compiled fits all."""
    for dialect in (PGDialect_psycopg, SQLiteDialect_pysqlite):
        dialect.__eq__ = lambda one, other: type(one) is type(other)  # type: ignore[method-assign]
        dialect.__hash__ = lambda one: hash(type(one))  # type: ignore[assignment,method-assign]
    Engine._compiled_cache = property(_of_the_dialect, lambda _engine, _own: None)  # type: ignore[assignment]


def _of_the_dialect(engine: Engine) -> "LRUCache[Any, Any]":
    return _compiled.setdefault(type(engine.dialect), LRUCache(10_000))
