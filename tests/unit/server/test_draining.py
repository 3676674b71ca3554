"""What was spooled goes to the log in order, and waits where it must."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.server import DeliverySpool, Draining
from adapters.server.frames import Item, pack
from adapters.server.spool import Kept
from adapters.sql import Entry, Receipt, Unavailable, Unstorable
from core.event import Unreadable

NEW = Receipt("new", 1)


@pytest.fixture
def spool(tmp_path: Path) -> DeliverySpool:
    return DeliverySpool("captions", tmp_path / "captions", 1 << 30, b"key")


def entry(body: bytes) -> Kept:
    return Kept(pack(Entry("captions", 1, [], body, None, b"k", Unreadable("x"))), behind=False)


def drain(spool: DeliverySpool, outcome: Callable[[int, bytes], Receipt | Unavailable]) -> list[bytes]:
    """What was handed in until the spool was empty. `outcome`: of a body, and how many were handed in by then."""
    asked: list[bytes] = []

    async def commit(item: Item) -> Receipt | Unavailable:
        assert isinstance(item, Entry)
        asked.append(item.body)
        answer = outcome(len(asked), item.body)
        await asyncio.sleep(0)
        return answer

    async def run() -> None:
        draining = Draining(spool, commit)
        running = asyncio.create_task(draining.run())
        while not spool.is_empty():  # noqa: ASYNC110 - files tell nobody
            await asyncio.sleep(0)
        draining.stop()
        await running

    asyncio.run(run())
    return asked


def test_all_goes_in_its_order_over_any_number_of_segments(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.spool.SEGMENT", 10_000)
    for start in range(0, 1_000, 100):
        spool.append([entry(b"%d" % number) for number in range(start, start + 100)])

    assert drain(spool, lambda *_: NEW) == [b"%d" % number for number in range(1_000)]


def test_while_the_log_is_away_the_first_one_alone_is_tried(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.draining.LOOK", 0)
    spool.append([entry(b"%d" % number) for number in range(3)])

    asked = drain(spool, lambda asked, _: Unavailable("away") if asked < 5 else NEW)

    assert asked == [b"0"] * 5 + [b"1", b"2"]


def test_what_the_database_takes_in_no_form_is_set_aside_and_holds_nobody_up(spool: DeliverySpool):
    spool.append([entry(b"%d" % number) for number in range(3)])

    asked = drain(spool, lambda _, body: Unstorable("no") if body == b"1" else NEW)

    assert asked == [b"0", b"1", b"2"]
    assert spool.state().aside == 1


def test_of_two_services_with_one_folder_one_drains(spool: DeliverySpool):
    spool.append([entry(b"0")])

    async def run() -> bool:
        draining = Draining(spool, lambda _: pytest.fail("it asks the log"))
        with spool.taken("draining"):
            running = asyncio.create_task(draining.run())
            await asyncio.sleep(0.01)
            draining.stop()
            await running
        return spool.is_empty()

    assert asyncio.run(run()) is False


def test_a_folder_that_cannot_be_read_ends_nothing(tmp_path: Path):
    (tmp_path / "captions").touch()

    async def run() -> None:
        draining = Draining(DeliverySpool("captions", tmp_path / "captions", 1, b"key"), lambda _: pytest.fail("asked"))
        running = asyncio.create_task(draining.run())
        await asyncio.sleep(0)
        draining.stop()
        await running

    asyncio.run(run())
