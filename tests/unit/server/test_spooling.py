"""What the log does not take is kept, and who can be neither recorded nor kept is told so."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Event, Timer
from typing import Any, cast

from adapters.http import SPOOLED
from adapters.server import DeliverySpool, Link, Spooling
from adapters.server.commits.frames import Item
from adapters.server.commits.spool import Kept
from adapters.sql import Entry, Receipt, Unavailable, Unstorable
from core.event import Unreadable
from core.ids import Ids

IDS = Ids(b"a secret for tests only, 32 byte")
NEW = Receipt("new", 1)


class Log:
    """In place of a link: `outcome` is what it tells, None where it tells nothing."""

    def __init__(self, outcome: Receipt | Unavailable | None) -> None:
        self.outcome = outcome
        self.asked = 0

    def commit(self, _: Item, tell: Callable[[Receipt | Unavailable], None], _trace: bytes = b"") -> None:
        self.asked += 1
        if self.outcome is not None:
            tell(self.outcome)


class Counted(DeliverySpool):
    """Counts how often it is written to."""

    written = looks = 0

    def is_empty(self) -> bool:
        self.looks += 1
        return super().is_empty()

    def append(self, kept: Sequence[Kept]) -> list[bool]:
        self.written += 1
        return super().append(kept)


def spool_in(folder: Path, most: int = 1 << 20) -> Counted:
    return Counted("captions", folder / "captions", most, b"key")


def take(spool: DeliverySpool, log: Log, bodies: Sequence[bytes]) -> list[Receipt | Unavailable]:
    async def run() -> list[Receipt | Unavailable]:
        spooling = Spooling(spool, cast(Link, log), IDS)
        entries = [Entry("captions", 1, [("a", "b")], body, None, body, Unreadable("x")) for body in bodies]
        return await asyncio.gather(*(spooling.take(entry) for entry in entries))

    return asyncio.run(run())


def waiting(spool: DeliverySpool) -> list[Any]:
    segment = spool.oldest()
    return spool.read(segment).items if segment is not None else []


def test_what_the_log_takes_is_not_spooled(tmp_path: Path):
    spool = spool_in(tmp_path)

    assert take(spool, Log(NEW), [b"1"]) == [NEW]
    assert spool.is_empty()


def test_what_it_does_not_take_is_kept_sealed_and_marked_and_many_share_one_sync(tmp_path: Path):
    spool = spool_in(tmp_path)

    outcomes = take(spool, Log(Unavailable("away")), [b"%d" % number for number in range(50)])

    kept = waiting(spool)
    assert outcomes == [SPOOLED] * 50
    assert [one.body for one in kept] == [b"%d" % number for number in range(50)]
    assert all(one.spooled and one.sealed is not None and not one.headers for one in kept)
    assert spool.written <= 2


def test_what_the_database_takes_in_no_form_is_not_spooled(tmp_path: Path):
    spool = spool_in(tmp_path)

    (outcome,) = take(spool, Log(Unstorable("no")), [b"1"])

    assert isinstance(outcome, Unstorable)
    assert spool.is_empty()


def test_who_comes_while_others_wait_queues_behind_them_though_the_log_is_back(tmp_path: Path):
    spool, log = spool_in(tmp_path), Log(NEW)
    take(spool, Log(Unavailable("away")), [b"1"])

    assert take(spool, log, [b"2"]) == [SPOOLED]
    assert ([one.body for one in waiting(spool)], log.asked) == ([b"1", b"2"], 0)


def test_a_log_that_says_nothing_is_waited_for_as_long_as_a_handler_can_spare(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("adapters.server.commits.spooling.PATIENCE", 0.01)

    assert take(spool_in(tmp_path), Log(None), [b"1"]) == [SPOOLED]


def test_what_does_not_fit_is_refused_and_what_is_there_stays(tmp_path: Path):
    spool = spool_in(tmp_path, 1_000)
    take(spool, Log(Unavailable("away")), [b"1"])

    (refused,) = take(spool, Log(Unavailable("away")), [b"2" * 1_000])

    assert isinstance(refused, Unavailable)
    assert [one.body for one in waiting(spool)] == [b"1"]
    assert take(spool, Log(NEW), [b"2" * 1_000]) == [NEW]  # a log that is back takes what has no room to queue


def test_a_folder_that_takes_nothing_is_refused_as_well(tmp_path: Path):
    (tmp_path / "captions").touch()

    (refused,) = take(spool_in(tmp_path), Log(Unavailable("away")), [b"1"])

    assert isinstance(refused, Unavailable)
    assert str(refused) == "FileExistsError"
    assert take(spool_in(tmp_path), Log(NEW), [b"1"]) == [NEW]


def test_a_spool_that_takes_too_long_is_refused_with_a_reason(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("adapters.server.commits.spooling.WITHIN", 0.0)

    (refused,) = take(spool_in(tmp_path), Log(None), [b"1"])

    assert (type(refused), str(refused)) == (Unavailable, "TimeoutError")


def test_deliveries_of_a_moment_share_one_look_into_the_folder(tmp_path: Path):
    spool = spool_in(tmp_path)

    assert take(spool, Log(NEW), [b"%d" % number for number in range(50)]) == [NEW] * 50

    assert (spool.looks, spool.written) == (1, 0)


def test_what_follows_one_that_was_spooled_queues_behind_it_until_the_spool_is_drained(tmp_path: Path):
    spool, log = spool_in(tmp_path), Log(Unavailable("away"))

    async def run() -> list[Receipt | Unavailable]:
        spooling = Spooling(spool, cast(Link, log), IDS)

        async def deliver(body: bytes) -> Receipt | Unavailable:
            return await spooling.take(Entry("captions", 1, [], body, None, body, Unreadable("x")))

        outcomes = [await deliver(b"1")]
        log.outcome = NEW
        outcomes.append(await deliver(b"2"))
        segment = spool.oldest()
        assert segment is not None
        spool.remove(segment)
        return [*outcomes, await deliver(b"3"), await deliver(b"4")]

    assert asyncio.run(run()) == [SPOOLED, SPOOLED, NEW, NEW]
    assert spool.is_empty()


class Unseen(DeliverySpool):
    """In a folder that can be looked into once it is let go."""

    let_go = Event()

    def is_empty(self) -> bool:
        self.let_go.wait(20)
        return super().is_empty()


def test_a_folder_that_hangs_keeps_no_delivery_from_the_log(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("adapters.server.commits.spooling.LOOKED", 0.01)
    spool = Unseen("captions", tmp_path / "captions", 1 << 20, b"key")

    class Freeing(Log):
        """The folder answers only after the log was asked."""

        def commit(self, item: Item, tell: Callable[[Receipt | Unavailable], None], _trace: bytes = b"") -> None:
            hung.append(not spool.let_go.is_set())
            spool.let_go.set()
            super().commit(item, tell)

    hung: list[bool] = []
    timer = Timer(2, spool.let_go.set)
    timer.start()
    outcomes = take(spool, Freeing(NEW), [b"1"])
    timer.cancel()

    assert (outcomes, hung) == ([NEW], [True])


class Hung(DeliverySpool):
    """On a disk that answers once it is let go."""

    let_go = Event()

    def append(self, kept: Sequence[Kept]) -> list[bool]:
        self.let_go.wait(20)
        return super().append(kept)


def test_one_deadline_holds_for_log_and_disk_together(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("adapters.server.commits.spooling.WITHIN", 0.05)
    spool = Hung("captions", tmp_path / "captions", 1 << 20, b"key")
    spool.let_go.clear()
    Timer(0.3, spool.let_go.set).start()

    (outcome,) = take(spool, Log(Unavailable("away")), [b"1"])

    assert isinstance(outcome, Unavailable)


def test_a_disk_that_hangs_keeps_no_sender_waiting_and_only_so_much_in_memory(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("adapters.server.commits.spooling.SYNCED", 0.05)
    monkeypatch.setattr("adapters.server.commits.spooling.MOST_BYTES", 1_000)
    spool = Hung("captions", tmp_path / "captions", 1 << 20, b"key")
    spool.let_go.clear()
    Timer(0.3, spool.let_go.set).start()

    outcomes = take(spool, Log(Unavailable("away")), [b"x" * 600] * 5)

    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    assert len(waiting(spool)) <= 2
