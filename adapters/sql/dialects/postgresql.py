"""PostgreSQL: rows travel as arrays, in one prepared statement whatever their number."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import count
from typing import Any
from weakref import WeakKeyDictionary

from psycopg.errors import InsufficientPrivilege

from adapters.sql.dialects.advisory_locks import APPENDING, RELAYING
from adapters.sql.dialects.composite import Composites, CompositesDumper, array, encode
from adapters.sql.dialects.direct import Direct
from adapters.sql.dialects.pipeline import Pipeline, see_off
from adapters.sql.dialects.statement_cursors import StatementCursors
from adapters.sql.dialects.statements import Guarded, Insert, Lookup, Row, Write

_BY_KEYS_ONLY = (
    "SET jit = off; SET enable_seqscan = off; "
    "SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off"
)
"""An append looks everything up by key. A plan made while a table was small would later read all of it."""

_PLANNED_ONCE = "SET plan_cache_mode = force_generic_plan"
_HAS_CITUS = "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus')"


class Postgresql:
    """See `Dialect`."""

    mark = "%s"
    skip_locked = " FOR UPDATE SKIP LOCKED"

    def __init__(self) -> None:
        self._direct = Direct()
        self._composites: WeakKeyDictionary[Any, dict[Write, int]] = WeakKeyDictionary()

    def settle(self, connection: Any, hot: Iterable[Write]) -> None:
        """Creates a composite type of this session for each hot write, because another release may have other columns.

        A role that may not create temporary types sends each column as an array, which takes longer. So does a session
        with Citus, whose other nodes do not know a session's types, and which refuses plans without parameter values.
        """
        driver, cursor = connection.driver_connection, connection.cursor()
        cursor.execute(_BY_KEYS_ONLY)
        has_citus = cursor.execute(_HAS_CITUS).fetchone()[0]
        if not has_citus:
            cursor.execute(_PLANNED_ONCE)
        connection.commit()
        if has_citus:
            return
        driver.adapters.register_dumper(Composites, CompositesDumper)
        try:
            self._composites[driver] = _created(cursor, list(hot))
            connection.commit()
        except InsufficientPrivilege:
            connection.rollback()

    def ahead(self, connection: Any, guarded: Guarded) -> Pipeline | None:
        driver = connection.driver_connection
        composites = self._composites.get(driver, {})
        if not composites.keys() >= set(guarded.writes):
            return None
        return Pipeline(driver, APPENDING, _guarded(guarded), {into: composites[into] for into in guarded.writes})

    def begin(self, cursor: Any) -> None:
        cursor.execute(APPENDING)

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        if turn:
            self.begin(cursor)

    def begin_unflushed(self, cursor: Any) -> None:
        cursor.execute("SET LOCAL synchronous_commit = off")
        self.begin(cursor)

    def flush_again(self, cursor: Any) -> None:
        """Nothing to do: the setting ended with its transaction."""

    def alone_with(self, cursor: Any, source: str) -> None:
        cursor.execute(RELAYING, {"source": source})

    def using(self, index: str) -> str:  # noqa: ARG002 - it has statistics
        return ""

    @contextmanager
    def together(self, connection: Any) -> Iterator[StatementCursors]:
        with connection.driver_connection.pipeline():
            yield StatementCursors(connection.driver_connection)

    def run(self, cursor: Any, sql: str, *values: Any) -> Any:
        cursor.execute(sql.replace("?", self.mark), values)
        return cursor

    def insert(self, cursor: Any, into: Insert, rows: Sequence[Row]) -> None:
        self.insert_all(cursor, {into: rows})

    def insert_all(self, cursor: Any, inserts: Mapping[Insert, Sequence[Row]]) -> None:
        composites = self._composites.get(cursor.connection, {})
        if composites.keys() >= inserts.keys():
            parameters = [encode(rows, into.types, composites[into]) for into, rows in inserts.items()]
            cursor.execute(_inserts(tuple(inserts)), parameters, prepare=True)
        else:
            for into, rows in inserts.items():
                cursor.execute(_insert(into, _arrays(into.types)), _columns(rows), prepare=True)
        see_off(cursor.connection.pgconn)

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        if cursor.connection.autocommit:
            arrays = [array(column, kind) for column, kind in zip(zip(*keys, strict=True), find.types, strict=True)]
            return iter(self._direct.rows(cursor.connection, _numbered(find), arrays))
        cursor.execute(_lookup(find), _columns(keys), prepare=True, binary=True)
        see_off(cursor.connection.pgconn)
        return iter(cursor)

    def contains(self, column: str) -> str:
        return f"position(? in {column}) > 0"


@cache
def _guarded(guarded: Guarded) -> str:
    """A statement that writes everything, or nothing if the guard finds another log than the batch was built for."""
    rows = {into: f"unnest(${number}::{_composite(into)}[])" for number, into in enumerate(guarded.writes, 3)}
    free = [f"NOT EXISTS (SELECT 1 FROM {_first(rows[into], into.table, key)})" for into, key in guarded.free]
    sure = " AND ".join([f"({guarded.epoch}) = $1", f"coalesce(({guarded.leaf}), '') = $2::bytea", *free])
    writes = [_write(into, f"sure CROSS JOIN {rows[into]}", guarded.numbered.get(into)) for into in guarded.writes]
    beside = "".join(f", w{number} AS ({write})" for number, write in enumerate(writes))
    return f"WITH sure AS MATERIALIZED (SELECT 1 WHERE {sure}){beside} SELECT 1 FROM sure"


def _write(into: Write, rows: str, numbered: tuple[str, str] | None) -> str:
    if isinstance(into, Insert):
        column, last = numbered or ("", "")
        values = (f"n.{name} + ({last})" if name == column else f"n.{name}" for name in into.names)
        return f"{into.head} SELECT {', '.join(values)} FROM {rows} n{into.conflict}"
    same = " AND ".join(f"t.{column} = n.{column}" for column in into.names)
    return f"DELETE FROM {into.table} t USING {rows} n WHERE {same}"


@cache
def _inserts(inserts: tuple[Insert, ...]) -> str:
    """One statement for all tables, with an array of a composite type for each."""
    *others, last = (_insert(into, f"%b::{_composite(into)}[]") for into in inserts)
    beside = ", ".join(f"w{number} AS ({insert})" for number, insert in enumerate(others))
    return f"WITH {beside} {last}" if others else last


def _insert(into: Insert, values: str) -> str:
    return f"{into.head} SELECT * FROM unnest({values}){into.conflict}"


def _created(cursor: Any, composites: Sequence[Write]) -> dict[Write, int]:
    """Creates the types; returns their object ids."""
    cursor.execute("; ".join(_type(into) for into in composites))
    cursor.execute("SELECT " + ", ".join(f"'{_composite(into)}'::regtype::oid" for into in composites))
    return dict(zip(composites, map(int, cursor.fetchone()), strict=True))


def _type(into: Write) -> str:
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(into.names, into.types, strict=True))
    return f"CREATE TYPE {_composite(into)} AS ({columns})"


def _composite(into: Write) -> str:
    return f"pg_temp.{into.name}"


@cache
def _lookup(find: Lookup) -> str:
    keys = f"WITH k ({', '.join(find.key)}) AS (SELECT * FROM unnest({_arrays(find.types)}))"
    one = f"SELECT {find.columns} FROM {_first('k', find.table, find.key)}"
    rows = one if find.unique else f"SELECT {find.columns} FROM k JOIN {find.table} t{find.on}"
    return f"{keys} {rows}{find.rest}"


@cache
def _numbered(find: Lookup) -> str:
    """The statement with libpq's placeholders."""
    numbers = count(1)
    return re.sub("%b", lambda _: f"${next(numbers)}", _lookup(find))


def _first(keys: str, table: str, key: Sequence[str]) -> str:
    """The keys `n` joined with their rows `t`, each found as the first row from its key on in the order of the index.

    Only the key's index has that order. Otherwise a plan made while the table was empty might use another index that
    begins with the same columns, since all seem to cost the same.
    """
    *equal, last = key
    same = " AND ".join(f"{column} = n.{column}" for column in equal)
    first = f"SELECT * FROM {table} WHERE {same} AND {last} >= n.{last} ORDER BY {last} LIMIT 1"
    return f"{keys} n CROSS JOIN LATERAL ({first}) t WHERE t.{last} = n.{last}"


def _arrays(types: Sequence[str]) -> str:
    return ", ".join(f"%b::{kind}[]" for kind in types)


def _columns(rows: Sequence[Row]) -> list[Any]:
    return [list(column) for column in zip(*rows, strict=True)]
