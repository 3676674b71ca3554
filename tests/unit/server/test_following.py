"""A stream is given no more than its client takes, and what it missed is read for it from where it was."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from adapters.http import RECONNECT, Follow, FollowPage, TailEvent, TailPage, Wanted
from adapters.server.followers.following import EventStream, StreamOrder
from adapters.server.followers.tail import Tail, TailFollower
from adapters.server.http11.reader import Request
from adapters.server.processes.threads import Threads

ALL = Wanted()


class ToldTail(Tail):
    """Tells when somebody has come to it."""

    told: Callable[[], None]

    def join(self, follower: TailFollower, head: int) -> bool:
        joined = super().join(follower, head)
        self.told()
        return joined


class Quick:
    """Somebody else who follows, and takes all."""

    wanted, after, fed, patient = ALL, 0, False, True

    def __init__(self, told: Callable[[], None]) -> None:
        self.told = told

    def take(self, _messages: bytes, position: int) -> bool:
        self.after = position
        self.told()
        return True

    def look(self) -> bool:
        return True

    def fall_back(self) -> None:
        raise AssertionError("nobody sends it back")


class Scene:
    """A log, and one client that takes what it is sent while it is `quick`."""

    def __init__(self) -> None:
        self.events: list[TailEvent] = []
        self.sent: list[bytes] = []
        self.answers: list[Any] = []
        self.quick = True
        self.news: Callable[[], None] = lambda: None
        self.request = Request("GET", "/v1/events/stream", "1.1", [], b"", last=False)
        self.happened = asyncio.Event()
        self.tail = ToldTail(lambda after: TailPage(self.events[after:], more=False), self._listen)
        self.tail.told = self.happened.set
        self.threads = Threads(1, "test")
        self.stream = EventStream(
            StreamOrder(200, [], Follow(self._page, 0)), self.request, self._respond, self.tail, self.threads
        )

    def add(self, count: int) -> None:
        for position in range(len(self.events) + 1, len(self.events) + 1 + count):
            self.events.append(TailEvent(position, "a", None, "read", None, b"%d " % position))
        self.news()

    def take(self) -> None:
        self.quick = True
        self.stream.resume()

    @property
    def text(self) -> bytes:
        return b"".join(self.sent)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self.happened.clear()
            await self.happened.wait()

    def _listen(self, news: Callable[[], None]) -> None:
        self.news = news

    def _page(self, after: int) -> FollowPage:
        told = self.events[after:][:2]
        head = len(self.events)
        return FollowPage(b"".join(one.message for one in told), told[-1].position if told else head, head, ALL)

    def _respond(self, answer: Any) -> None:
        self.answers.append(answer)
        self.happened.set()
        if answer is self.stream:
            self.stream.send = self._send

    def _send(self, piece: bytes) -> None:
        self.sent.append(piece)
        self.happened.set()
        if self.quick:
            self.stream.resume()


def play(scene: Callable[[Scene], Any]) -> Scene:
    async def whole() -> Scene:
        made = Scene()
        made.stream.begin()
        await asyncio.wait_for(scene(made), 20)
        made.request.ending = True
        made.stream.resume()
        await asyncio.to_thread(made.threads.close)
        await asyncio.to_thread(made.tail.close)
        return made

    return asyncio.run(whole())


def test_what_is_there_is_read_and_what_comes_is_fed():
    async def scene(made: Scene) -> None:
        made.add(5)
        await made.until(lambda: made.stream.fed)
        made.add(3)
        await made.until(lambda: made.text.endswith(b"8 "))

    made = play(scene)

    assert made.text == RECONNECT + b"1 2 3 4 5 6 7 8 "
    assert made.answers == [made.stream, None]


def test_a_slow_client_is_sent_one_piece_and_what_it_missed_once_it_takes_it():
    async def scene(made: Scene) -> None:
        await made.until(lambda: made.stream.fed)
        made.quick = False
        made.add(1)
        await made.until(lambda: made.text.endswith(b"1 "))
        pieces, other = len(made.sent), Quick(made.happened.set)
        made.tail.join(other, 1)
        made.add(2_000)
        await made.until(lambda: other.after == 2_001)
        assert (len(made.sent), made.stream.fed) == (pieces, False)

        made.tail.leave(other)
        made.take()
        await made.until(lambda: made.text.endswith(b" 2001 "))

    made = play(scene)

    assert made.text == RECONNECT + b"".join(b"%d " % position for position in range(1, 2_002))


def test_a_slow_client_comes_back_to_what_the_tail_still_holds_without_a_read():
    async def scene(made: Scene) -> None:
        await made.until(lambda: made.stream.fed)
        made.quick = False
        made.add(1)
        await made.until(lambda: made.text.endswith(b"1 "))
        other = Quick(made.happened.set)
        made.tail.join(other, 1)
        made.add(2_000)
        await made.until(lambda: other.after == 2_001)
        made.stream._page = lambda _after: pytest.fail("it was read again")

        made.quick = True
        made.take()

        assert made.stream.fed
        made.tail.leave(other)

    made = play(scene)

    assert made.text == RECONNECT + b"".join(b"%d " % position for position in range(1, 2_002))


def test_who_leaves_while_his_page_is_read_is_sent_nothing_more():
    async def scene(made: Scene) -> None:
        made.events += [TailEvent(1, "a", None, "read", None, b"1 ")]
        made.request.ending = True
        made.stream.resume()

    made = play(scene)

    assert made.text in {RECONNECT, RECONNECT + b"1 "}
    assert made.answers == [made.stream, None]
    assert not made.stream.fed
