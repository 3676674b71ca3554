"""Whoever comes seldom gets a turn between those of a writer in another process that never rests."""

import os
import signal
from collections.abc import Iterator

import pytest

from adapters.sql import Tree, claim, keeper, migrate
from adapters.sql.database.transactions import Transactions
from tests.support.launcher import launch
from tests.support.logs import NOON, Bench, wms

LONG = 2_000
SHORT = "SELECT stream FROM streams WHERE provider_id = 'short'"
BUSY = """
import signal, sys
from itertools import count
from tests.support.logs import Bench, wms

bench = Bench(sys.argv[1])
numbers = count(int(sys.argv[2]), -2)
told = []
signal.signal(signal.SIGTERM, lambda *_: told.append(True))
while not told:
    bench.log.append([bench.entry("clinic", wms("long", next(numbers), "INTERMEDIATE_RESULTS", measurementId="m"))])
    print("late", flush=True)
bench.close()
"""


@pytest.fixture
def bench(database_url: str) -> Iterator[Bench]:
    """A log with one long session, into which another process puts one late event after the other."""
    bench = Bench(database_url)
    documents = [wms("long", 2 * at, "INTERMEDIATE_RESULTS", measurementId="m") for at in range(LONG)]
    bench.log.append([bench.entry("clinic", one) for one in [*documents, wms("short", 0)]])
    bench.log.close()
    read, write = os.pipe()
    with os.fdopen(read) as lines:
        with os.fdopen(write, "wb") as log:
            busy = launch(BUSY, [database_url, str(2 * LONG - 1)], os.environ, log)
        try:
            assert lines.readline() == "late\n"
            yield bench
            assert busy.poll() is None, "it has written all the while"
        finally:
            busy.send_signal(signal.SIGTERM)
            lines.read()
            busy.wait()
    bench.close()


def test_nobody_waits_until_senders_are_quiet(bench: Bench):
    keeping = keeper(bench.engine, bench.code, bench.log, lambda: NOON, "command line")
    for number in range(3):
        migrate(bench.engine)
        assert claim(bench.engine, {f"fact {number}": "held"}) == {}
        assert Tree(bench.engine).checkpoint(lambda _view, _newest, size, _hashes: f"{size}") is not None
        with Transactions(bench.engine).turn() as cursor:
            assert cursor.execute("SELECT 1").fetchall()
        assert keeping.retractor.retract(number + 1, "a lie") > LONG
    erased = keeping.eraser.erase(keeping.eraser.of_streams([bench.rows(SHORT)[0][0]]), "asked for")
    assert len(erased.streams) == 1
