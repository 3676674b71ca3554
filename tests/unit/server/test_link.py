"""A link gives each delivery its own outcome, whoever still waits for it."""

import asyncio
import socket
import tempfile
from asyncio import Future, StreamReader, StreamWriter
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from adapters.server import Link
from adapters.server.commits.frames import Inbox, Item, Listen, frame, pack
from adapters.sql import Receipt, Rejection, Unavailable
from core.ids import Ids

Receive = Callable[[StreamReader, StreamWriter], Awaitable[None]]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A short one: a socket's path has 107 bytes, and the temporary directory may have taken most of them."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


async def answer_sizes(reader: StreamReader, writer: StreamWriter) -> None:
    """Stands in for the writer: a delivery's position is its size."""
    inbox = Inbox[Item](Item)  # type: ignore[arg-type]  # a union
    while data := await reader.read(1 << 16):
        receipts = [Receipt("rejected", item.size) for item in inbox.whole(data) if isinstance(item, Rejection)]
        writer.write(frame([*map(pack, receipts)]))
    writer.close()


async def say_nothing(reader: StreamReader, writer: StreamWriter) -> None:
    while await reader.read(1 << 16):
        pass
    writer.close()


async def hang_up(_: StreamReader, writer: StreamWriter) -> None:
    writer.close()


def delivery(size: int) -> Rejection:
    return Rejection("clinic", 0, [], b"", size, 400, "empty")


async def committed(link: Link, item: Item) -> Receipt | Unavailable:
    told: Future[Receipt | Unavailable] = asyncio.get_running_loop().create_future()
    link.commit(item, told.set_result)
    return await told


def connected(path: Path) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def linked(folder: Path, receive: Receive, use: Callable[[Link], Awaitable[None]], patience: float = 30) -> None:
    """Runs `use` with a link to a listener whose connections are given to `receive`."""

    connections: list[StreamWriter] = []

    async def accept(reader: StreamReader, writer: StreamWriter) -> None:
        connections.append(writer)
        await receive(reader, writer)

    async def run() -> None:
        link = Link(partial(connected, folder / "writer"), Ids(b"secret"), patience)
        link.tie(asyncio.get_running_loop())
        server = await asyncio.start_unix_server(accept, folder / "writer")
        await use(link)
        server.close()
        for connection in connections:
            connection.close()
        assert isinstance(await committed(link, delivery(0)), Unavailable)  # it saw that its connection is gone

    asyncio.run(run())


def test_deliveries_handed_in_before_there_is_a_connection_get_their_outcomes(tmp_path: Path):
    async def use(link: Link) -> None:
        outcomes = await asyncio.gather(*(committed(link, delivery(size)) for size in range(20)))

        assert outcomes == [Receipt("rejected", size) for size in range(20)]

    linked(tmp_path, answer_sizes, use)


def test_a_thread_waits_for_its_outcome(tmp_path: Path):
    async def use(link: Link) -> None:
        outcomes = await asyncio.gather(*(asyncio.to_thread(link.append, delivery(size)) for size in range(20)))

        assert outcomes == [Receipt("rejected", size) for size in range(20)]

    linked(tmp_path, answer_sizes, use)


def test_a_thread_is_told_what_cannot_be_handed_over(tmp_path: Path):
    async def use(link: Link) -> None:
        with pytest.raises(TypeError):
            await asyncio.to_thread(link.append, object())  # type: ignore[arg-type]  # a fault of ours

    linked(tmp_path, answer_sizes, use)


def test_a_writer_that_goes_away_leaves_nobody_waiting(tmp_path: Path):
    async def use(link: Link) -> None:
        outcomes = await asyncio.gather(*(committed(link, delivery(size)) for size in (1, 2)))

        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)

    linked(tmp_path, hang_up, use)


def test_a_writer_that_says_nothing_keeps_nobody_longer_than_a_sender_waits(tmp_path: Path):
    async def use(link: Link) -> None:
        outcomes = await asyncio.gather(*(committed(link, delivery(size)) for size in (1, 2)))

        assert [str(outcome) for outcome in outcomes] == ["the writing process does not answer in time"] * 2

    linked(tmp_path, say_nothing, use, patience=0.05)


def test_outcomes_that_come_too_late_are_given_to_nobody_else(tmp_path: Path):
    slow = asyncio.Event()

    async def answer_later(reader: StreamReader, writer: StreamWriter) -> None:
        await slow.wait()
        await answer_sizes(reader, writer)

    async def use(link: Link) -> None:
        late = await asyncio.gather(*(committed(link, delivery(size)) for size in (1, 2)))
        link._patience = 30
        following = asyncio.create_task(committed(link, delivery(3)))
        slow.set()

        assert all(isinstance(outcome, Unavailable) for outcome in late)
        assert await following == Receipt("rejected", 3)
        assert (len(link._pending), link._late, link._bytes) == (0, 0, 0)

    linked(tmp_path, answer_later, use, patience=0.05)


@pytest.mark.parametrize(("bound", "most"), [("MOST_ITEMS", 3), ("MOST_BYTES", 3 * len(pack(delivery(1))))])
def test_what_waits_for_the_writer_has_bounds_and_what_comes_beyond_them_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str, most: int
):
    monkeypatch.setattr(f"adapters.server.commits.link.{bound}", most)

    async def use(link: Link) -> None:
        waiting = [asyncio.create_task(committed(link, delivery(1))) for _ in range(3)]
        await asyncio.sleep(0)

        beyond = await committed(link, delivery(4))
        assert str(beyond) == "too much waits for the writing process"
        assert not any(one.done() for one in waiting)
        link._patience = 0.05
        link.connection_lost(None)
        assert all(isinstance(outcome, Unavailable) for outcome in await asyncio.gather(*waiting))
        assert str(await committed(link, delivery(5))) == "the writing process does not answer in time"

    linked(tmp_path, say_nothing, use)


def test_a_closed_link_lets_every_thread_go(tmp_path: Path):
    all_there = asyncio.Event()

    async def hear(reader: StreamReader, writer: StreamWriter) -> None:
        inbox, count = Inbox[Item](Item), 0  # type: ignore[arg-type]  # a union
        while count < 3:
            count += len(inbox.whole(await reader.read(1 << 16)))
        all_there.set()
        await say_nothing(reader, writer)

    async def use(link: Link) -> None:
        waiting = [asyncio.create_task(asyncio.to_thread(link.append, delivery(size))) for size in range(3)]
        await all_there.wait()

        link.close()

        outcomes = await asyncio.gather(*waiting, asyncio.to_thread(link.append, delivery(4)), return_exceptions=True)
        assert all(isinstance(outcome, Unavailable) for outcome in outcomes)

    linked(tmp_path, hear, use)


def test_without_a_writer_nothing_is_committed(tmp_path: Path):
    async def wait_for_nobody() -> None:
        link = Link(partial(connected, tmp_path / "nobody"), Ids(b"secret"), 30)
        link.tie(asyncio.get_running_loop())

        assert isinstance(await committed(link, delivery(1)), Unavailable)
        assert isinstance(await committed(link, delivery(2)), Unavailable)

    asyncio.run(wait_for_nobody())


def test_whoever_listens_hears_of_commits_also_of_a_writer_that_was_started_anew(tmp_path: Path):
    heard = asyncio.Event()
    listeners: list[StreamWriter] = []

    async def tell(reader: StreamReader, writer: StreamWriter) -> None:
        asked = Inbox[Listen](Listen).whole(await reader.read(1 << 16))
        assert asked == [Listen()]
        listeners.append(writer)
        writer.write(frame([]))
        await say_nothing(reader, writer)

    async def use(link: Link) -> None:
        for _ in range(2):
            heard.clear()
            link.listen(heard.set)
            await asyncio.wait_for(heard.wait(), 20)
            listeners[-1].close()
            assert isinstance(await committed(link, delivery(1)), Unavailable)
            assert link._transport is None

    linked(tmp_path, tell, use)

    assert len(listeners) >= 2
