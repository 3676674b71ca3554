"""What was spooled goes to the log in order, and waits where it must."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from adapters.server import DeliverySpool, Draining
from adapters.server.commits.frames import Item, pack
from adapters.server.commits.spool import Kept, Read
from adapters.sql import Entry, Receipt, Unavailable, Unstorable
from core.event import Unreadable

NEW = Receipt("new", 1)


@pytest.fixture
def spool(tmp_path: Path) -> DeliverySpool:
    return DeliverySpool("captions", tmp_path / "captions", 1 << 30, b"key")


def entry(body: bytes) -> Kept:
    return Kept(pack(Entry("captions", 1, [], body, None, b"k", Unreadable("x"))), behind=False)


async def run_until_empty(spool: DeliverySpool, commit: Callable[[Item], Awaitable[Receipt | Unavailable]]) -> None:
    draining = Draining(spool, commit)
    running = asyncio.create_task(draining.run())
    while not spool.is_empty():  # noqa: ASYNC110 - files tell nobody
        await asyncio.sleep(0)
    draining.stop()
    await running


def drain(spool: DeliverySpool, outcome: Callable[[int, bytes], Receipt | Unavailable]) -> list[bytes]:
    """What was handed in until the spool was empty. `outcome`: of a body, and how many were handed in by then."""
    asked: list[bytes] = []

    async def commit(item: Item) -> Receipt | Unavailable:
        assert isinstance(item, Entry)
        asked.append(item.body)
        answer = outcome(len(asked), item.body)
        await asyncio.sleep(0)
        return answer

    asyncio.run(run_until_empty(spool, commit))
    return asked


def test_all_goes_in_its_order_over_any_number_of_segments(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.spool.SEGMENT", 10_000)
    for start in range(0, 1_000, 100):
        spool.append([entry(b"%d" % number) for number in range(start, start + 100)])

    assert drain(spool, lambda *_: NEW) == [b"%d" % number for number in range(1_000)]


def test_while_the_log_is_away_the_first_one_alone_is_tried(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.draining.LOOK", 0)
    spool.append([entry(b"%d" % number) for number in range(3)])

    asked = drain(spool, lambda asked, _: Unavailable("away") if asked < 5 else NEW)

    assert asked == [b"0"] * 5 + [b"1", b"2"]


class Watched(DeliverySpool):
    """Tells when a segment is read whole."""

    def __init__(self, folder: Path, note: Callable[[], None]) -> None:
        super().__init__("captions", folder, 1 << 30, b"key")
        self._note = note

    def read(self, segment: Path, at: int = 0) -> Read:
        self._note()
        return super().read(segment, at)


def test_while_the_log_is_away_no_segment_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.draining.LOOK", 0)
    steps: list[str] = []
    spool = Watched(tmp_path / "captions", lambda: steps.append("read"))
    spool.append([entry(b"%d" % number) for number in range(3)])

    def outcome(asked: int, _: bytes) -> Receipt | Unavailable:
        steps.append("asked")
        return Unavailable("away") if asked < 3 else NEW

    assert drain(spool, outcome) == [b"0"] * 3 + [b"1", b"2"]
    assert steps[:4] == ["asked"] * 3 + ["read"]


def test_large_ones_go_to_the_writer_few_at_a_time(spool: DeliverySpool, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.server.commits.draining.MOST_BYTES", 250)
    spool.append([entry(b"%d" % number * 100) for number in range(6)] + [entry(b"x" * 300)])
    under_way, together = 0, []

    async def commit(_: Item) -> Receipt:
        nonlocal under_way
        under_way += 1
        await asyncio.sleep(0)
        together.append(under_way)
        await asyncio.sleep(0)
        under_way -= 1
        return NEW

    asyncio.run(run_until_empty(spool, commit))

    assert (len(together), max(together)) == (7, 2)


def test_a_segment_that_begins_with_a_frame_cut_short_is_drained_all_the_same(spool: DeliverySpool):
    spool.append([entry(b"0")])
    segment = spool.oldest()
    assert segment is not None
    segment.write_bytes(segment.read_bytes()[:-1])
    spool.append([entry(b"1")])

    assert drain(spool, lambda *_: NEW) == [b"1"]
    assert spool.state().aside == 1


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
