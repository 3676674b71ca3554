"""The writer's connection to PostgreSQL is lost under load, again and again: each time it goes on by itself.

`HOOKFOLD_LOSSES=200` makes it so many, with a promise of 5 seconds for each, and tells the longest wait.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from threading import Condition, Event
from typing import Any

import psycopg
import pytest

from adapters.server.commits.frames import Inbox, Outcome, frame, pack
from adapters.sql import Receipt, batch_length, migrate, open_engine
from adapters.sql.dialects.advisory_locks import APPENDING
from tests.support.logs import Bench, wms
from tests.support.postgres import Postgres
from tests.support.writing import connecting

LOSSES = int(os.environ.get("HOOKFOLD_LOSSES", "0"))
WITHIN = 5.0 if LOSSES else 60.0
SENDERS = 4
TOGETHER = 24
TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
HOLD, RELEASE = APPENDING.replace("_xact", ""), "SELECT pg_advisory_unlock_all()"
_logger = logging.getLogger(__name__)


class Load:
    """Senders that speak to a writer as processes that serve do: each frame until all of it is recorded."""

    def __init__(self, bench: Bench, connect: Callable[[], socket.socket]) -> None:
        self.bench = bench
        self._connect = connect
        self._recorded = [0] * SENDERS
        self._news = Condition()
        self._done = Event()
        self.positions: list[int] = []
        self.refused = 0
        self.longest = 0.0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Until the block ends."""
        with ThreadPoolExecutor(SENDERS) as pool:
            senders = [pool.submit(self._send, number) for number in range(SENDERS)]
            try:
                yield
            finally:
                self._done.set()
            for sender in senders:
                sender.result()

    def await_answers(self) -> None:
        """Returns when every sender has sent one more since now, and was told that it is recorded."""
        before, began = list(self._recorded), time.monotonic()
        with self._news:
            assert self._news.wait_for(lambda: self._all_beyond(before), WITHIN), "no answers"
        self.longest = max(self.longest, time.monotonic() - began)

    def _all_beyond(self, before: list[int]) -> bool:
        """The first answer may be to what was on its way before."""
        return all(now > then + 1 for now, then in zip(self._recorded, before, strict=True))

    def _send(self, sender: int) -> None:
        with self._connect() as connection:
            while not self._done.is_set():
                first = self._recorded[sender] * TOGETHER
                entries = [self.bench.entry("clinic", wms(f"load-{sender}", first + more)) for more in range(TOGETHER)]
                connection.sendall(frame([pack(entry) for entry in entries]))
                receipts = [one for one in received(connection, TOGETHER) if isinstance(one, Receipt)]
                if len(receipts) == TOGETHER:
                    self._tell(sender, receipts)
                else:
                    self.refused += 1

    def _tell(self, sender: int, receipts: list[Receipt]) -> None:
        with self._news:
            self._recorded[sender] += 1
            self.positions += [receipt.position for receipt in receipts]
            self._news.notify_all()


def received(connection: socket.socket, count: int) -> list[Outcome]:
    inbox = Inbox[Outcome](Outcome)  # type: ignore[arg-type]  # a union
    outcomes: list[Outcome] = []
    while len(outcomes) < count:
        data = connection.recv(1 << 16)
        assert data, "the writer hung up"
        outcomes += inbox.whole(data)
    return outcomes


def test_sessions_that_are_ended_under_load(postgresql_url: str):
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as admin:
        _lose_again_and_again(postgresql_url, LOSSES or 12, lambda _: admin.execute(TERMINATE))


def test_sessions_that_are_ended_while_batches_are_under_way_and_others_wait(
    postgresql_url: str, monkeypatch: pytest.MonkeyPatch
):
    # others of its stream wait
    monkeypatch.setattr("adapters.server.commits.writer.batch_length", partial(batch_length, most=16))
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as admin:

        def lose(load: Load) -> None:
            admin.execute(HOLD)
            while not _comes(lambda: len(_under_way(load)) == 2, 1.0) and not _under_way(load):
                admin.execute(RELEASE)
                admin.execute(HOLD)
            admin.execute(TERMINATE)
            admin.execute(RELEASE)

        _lose_again_and_again(postgresql_url, LOSSES or 6, lose)


def test_failovers_under_load_behind_which_new_sessions_are_read_only_for_a_while(postgresql_url: str):
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    with closing(psycopg.connect(postgresql_url, autocommit=True)) as admin:

        def fail_over(load: Load) -> None:
            refused = load.refused
            admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
            admin.execute(TERMINATE)
            assert _comes(lambda: load.refused > refused, WITHIN)
            admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")

        _lose_again_and_again(postgresql_url, LOSSES or 6, fail_over)


@pytest.mark.skipif(not LOSSES, reason="takes seconds for each: HOOKFOLD_LOSSES says how many")
def test_a_server_that_is_restarted_under_load():
    with Postgres() as server:
        url = server.url(server.create())
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()

        def restart(_: Load) -> None:
            server.stop()
            server.start()

        _lose_again_and_again(url, LOSSES // 4, restart)


def _lose_again_and_again(url: str, times: int, lose: Callable[[Load], Any]) -> None:
    bench = Bench(url)
    with closing(bench), connecting(bench.log, WITHIN) as connect:
        load = Load(bench, connect)
        with load.running():
            load.await_answers()
            load.longest = 0.0
            for _ in range(times):
                lose(load)
                load.await_answers()
        recorded = {position for (position,) in bench.rows("SELECT position FROM events")}
    _logger.info("%d losses, %d recorded, longest wait %.2f s", times, len(load.positions), load.longest)
    assert len(set(load.positions)) == len(load.positions)
    assert set(load.positions) <= recorded


def _under_way(load: Load) -> Any:
    return load.bench.log._under_way


def _comes(condition: Callable[[], bool], within: float) -> bool:
    """Whether other threads make it so in a while."""
    deadline = time.monotonic() + within
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()
