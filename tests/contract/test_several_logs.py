"""Two logs in two schemas of one PostgreSQL database do not wait for each other; two writers of one log do."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import psycopg
import pytest
from psycopg.errors import LockNotAvailable

from adapters.sql import Tree, migrate
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.advisory_locks import APPENDING, MIGRATING, RELAYING, SEALING
from tests.support.logs import Bench, wms

OURS = {"append": APPENDING, "seal": SEALING, "relay": RELAYING, "migrate": MIGRATING}
OLD = {
    "append": "SELECT pg_advisory_xact_lock(7238702)",
    "seal": "SELECT pg_advisory_xact_lock(7238703)",
    "relay": "SELECT pg_advisory_xact_lock(7238704, hashtext(%(source)s))",
    "migrate": "SELECT pg_advisory_xact_lock(7238701)",
}
"""As the release before takes them."""


def in_schema(url: str, schema: str) -> str:
    return f"{url}&options=-csearch_path%3D{schema}"


def take(connection: Any, lock: str) -> None:
    connection.execute(lock, {"source": "clinic"})


def is_free(url: str, lock: str) -> bool:
    with psycopg.connect(url) as connection:
        connection.execute("SET LOCAL lock_timeout = '1ms'")
        try:
            take(connection, lock)
        except LockNotAvailable:
            return False
        return True


@contextmanager
def held(url: str, *locks: str) -> Iterator[None]:
    """By another process, as long as the block lasts."""
    with psycopg.connect(url) as connection:
        for lock in locks:
            take(connection, lock)
        yield


def test_a_log_is_made_and_written_while_those_of_another_schema_hold_all_their_locks(postgresql_url: str):
    other = in_schema(postgresql_url, "other")
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA other")

    with held(postgresql_url, *OURS.values()), closing(Bench(other)) as bench:
        migrate(bench.engine)
        receipt = bench.append(bench.entry("clinic", wms("s1", 0)))
        checkpoint = Tree(bench.engine).checkpoint(lambda _view, _newest, size, _hashes: f"{size}")
        with Transactions(bench.engine).beside() as cursor:
            Transactions(bench.engine).dialect.alone_with(cursor, "clinic")

    assert (receipt.verdict, receipt.position) == ("new", 1)
    assert checkpoint is not None


@pytest.mark.parametrize("what", OURS)
def test_two_of_one_log_take_turns_whichever_of_both_releases_they_are(postgresql_url: str, what: str):
    for first, second in [(OURS, OURS), (OURS, OLD), (OLD, OURS)]:
        with held(postgresql_url, first[what]):
            assert not is_free(postgresql_url, second[what])

        assert is_free(postgresql_url, second[what])


def test_a_writer_goes_by_the_log_that_its_schema_holds_now(postgresql_url: str):
    with ExitStack() as stack:
        writer, other = (stack.enter_context(psycopg.connect(postgresql_url)) for _ in range(2))
        for connection in (writer, other):
            connection.execute(APPENDING, prepare=True)
            connection.commit()
        with psycopg.connect(postgresql_url, autocommit=True) as admin:
            admin.execute("ALTER SCHEMA public RENAME TO before")
            admin.execute("CREATE SCHEMA public")
            admin.execute("CREATE TABLE public.events ()")

        with held(in_schema(postgresql_url, "before"), APPENDING):
            writer.execute(APPENDING, prepare=True)
        other.execute("SET LOCAL lock_timeout = '1ms'")

        with pytest.raises(LockNotAvailable):
            other.execute(APPENDING, prepare=True)
