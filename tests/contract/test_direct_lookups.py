"""A look-up on a connection that begins no transaction is asked past the driver's cursor, and finds the same."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import dialect_of
from adapters.sql.dialects.statements import Lookup
from tests.support.logs import Bench, wms

FIND = Lookup("t.source, t.key, t.position, t.stream, t.sequence, t.occurred_at", tables.events, ("source", "position"))
BY_KEY = Lookup("t.position", tables.events, ("source", "key"), unique=True)


@pytest.fixture
def engine(postgresql_url: str) -> Iterator[Engine]:
    bench = Bench(postgresql_url)
    for number in range(3):
        bench.append(bench.entry("clinic", wms("first", number)))
    yield bench.engine
    bench.close()


def found(engine: Engine, find: Lookup, keys: list[Any], *, autocommit: bool) -> list[Any]:
    connection = engine.raw_connection()
    connection.driver_connection.autocommit = autocommit  # type: ignore[union-attr]  # psycopg's
    try:
        return sorted(dialect_of(engine).lookup(connection.cursor(), find, keys))
    finally:
        connection.invalidate()


def test_both_ways_find_the_same(engine: Engine):
    places = [("clinic", 1), ("clinic", 3), ('"\\,{}', 2), ("clinic", 1 << 40)]
    rows = found(engine, FIND, places, autocommit=True)
    keys = [("clinic", row[1]) for row in rows] + [("clinic", b"\0")]

    assert [row[2] for row in rows] == [1, 3]
    assert rows == found(engine, FIND, places, autocommit=False)
    assert found(engine, BY_KEY, keys, autocommit=True) == found(engine, BY_KEY, keys, autocommit=False) == [(1,), (3,)]


def test_what_the_server_refuses_is_told_as_the_driver_does(engine: Engine):
    wrong = Lookup("t.position / 0", tables.events, ("source", "position"))

    for autocommit in (True, False):
        with pytest.raises(psycopg.errors.DivisionByZero):
            found(engine, wrong, [("clinic", 1)], autocommit=autocommit)
