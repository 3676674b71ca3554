"""PostgreSQL: rows travel as arrays, in one prepared statement whatever their number. The driver begins by itself."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from select import POLLIN, POLLOUT, poll
from typing import Any
from weakref import WeakKeyDictionary

from psycopg.errors import InsufficientPrivilege

from adapters.sql.composite import Composites, CompositesDumper, encode
from adapters.sql.statements import Insert, Lookup, Row

_APPEND_LOCK = 7238702
"""Names the one advisory lock under which positions are given out."""

_BY_KEYS_ONLY = (
    "SET plan_cache_mode = force_generic_plan",
    "SET jit = off",
    "SET enable_seqscan = off",
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "SET enable_sort = off",
)
"""All that an append asks for has a key. A plan that was made while a table was small would read all of it later."""


class Postgresql:
    """See `Dialect`."""

    mark = "%s"

    def __init__(self) -> None:
        self._composites: WeakKeyDictionary[Any, dict[Insert, int]] = WeakKeyDictionary()

    def settle(self, connection: Any, hot: Iterable[Insert]) -> None:
        """Each hot insert gets a composite type of this session: another release may have other columns.

        Who may not make temporary types sends a column as an array, which takes longer.
        """
        driver, cursor = connection.driver_connection, connection.cursor()
        for setting in _BY_KEYS_ONLY:
            cursor.execute(setting)
        connection.commit()
        driver.adapters.register_dumper(Composites, CompositesDumper)
        try:
            self._composites[driver] = {into: _created(cursor, into) for into in hot}
            connection.commit()
        except InsufficientPrivilege:
            connection.rollback()

    def begin(self, cursor: Any) -> None:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_APPEND_LOCK,))

    def begin_beside(self, cursor: Any, *, turn: bool) -> None:
        if turn:
            self.begin(cursor)

    def using(self, index: str) -> str:  # noqa: ARG002 - it has statistics
        return ""

    def together(self, connection: Any) -> AbstractContextManager[Any]:
        pipeline: AbstractContextManager[Any] = connection.driver_connection.pipeline()
        return pipeline

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
        _see_off(cursor.connection.pgconn)

    def lookup(self, cursor: Any, find: Lookup, keys: Sequence[Row]) -> Iterator[Row]:
        cursor.execute(_lookup(find), _columns(keys), prepare=True, binary=True)
        _see_off(cursor.connection.pgconn)
        return iter(cursor)

    def contains(self, column: str) -> str:
        return f"position(? in {column}) > 0"


@cache
def _inserts(inserts: tuple[Insert, ...]) -> str:
    """One statement for all the tables, each of which gets an array of its composite type."""
    *others, last = (_insert(into, f"%b::{_composite(into)}[]") for into in inserts)
    beside = ", ".join(f"w{number} AS ({insert})" for number, insert in enumerate(others))
    return f"WITH {beside} {last}" if others else last


def _insert(into: Insert, values: str) -> str:
    return f"{into.head} SELECT * FROM unnest({values}){into.conflict}"


def _created(cursor: Any, into: Insert) -> int:
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(into.names, into.types, strict=True))
    cursor.execute(f"CREATE TYPE {_composite(into)} AS ({columns})")
    cursor.execute(f"SELECT '{_composite(into)}'::regtype::oid")
    return int(cursor.fetchone()[0])


def _composite(into: Insert) -> str:
    return f"pg_temp.{into.table}_row"


@cache
def _lookup(find: Lookup) -> str:
    keys = f"WITH k ({', '.join(find.key)}) AS (SELECT * FROM unnest({_arrays(find.types)}))"
    rows = _of_one_row(find) if find.unique else f"SELECT {find.columns} FROM k JOIN {find.table} t{find.on}"
    return f"{keys} {rows}{find.rest}"


def _of_one_row(find: Lookup) -> str:
    """The first row from the key on, in the key's order: no other index has that, whatever the statistics say.

    Of a table that was empty when the plan was made, all indexes that begin alike seem to cost the same.
    """
    *equal, last = find.key
    same = " AND ".join(f"{column} = k.{column}" for column in equal)
    first = f"SELECT * FROM {find.table} WHERE {same} AND {last} >= k.{last} ORDER BY {last} LIMIT 1"
    return f"SELECT {find.columns} FROM k CROSS JOIN LATERAL ({first}) t WHERE t.{last} = k.{last}"


def _arrays(types: Sequence[str]) -> str:
    return ", ".join(f"%b::{kind}[]" for kind in types)


def _columns(rows: Sequence[Row]) -> list[Any]:
    return [list(column) for column in zip(*rows, strict=True)]


def _see_off(connection: Any) -> None:
    """Returns once everything has left for the server, and a short statement can follow at once.

    While statements leave together, the driver flushes once and then waits for answers alone: what is larger than the
    socket's buffer would stay behind, and both sides would wait for ever (libpq, "Asynchronous Command Processing").
    """
    ready = poll()
    ready.register(connection.socket, POLLIN | POLLOUT)
    while True:
        unsent = connection.flush()
        events = ready.poll()[0][1]
        if not unsent and events & ~POLLIN:
            return
        if events & POLLIN:
            connection.consume_input()
