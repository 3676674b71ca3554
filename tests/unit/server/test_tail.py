"""The one tail of a process: who is fed what, and how somebody comes to it and is let go."""

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest

from adapters.http import TailEvent, TailPage, Wanted
from adapters.server.followers import tail as module
from adapters.server.followers.tail import Tail

ALL, NONE = Wanted(), Wanted(None, frozenset())


class Log:
    """Events that are told; `gate` is asked before each reading."""

    def __init__(self) -> None:
        self.events: list[TailEvent] = []
        self.news: Callable[[], None] = lambda: None
        self.asked: list[int] = []
        self.at_once = 100
        self.was_read = Event()

    def add(self, *events: tuple[str, str | None]) -> None:
        for source, stream in events:
            position = len(self.events) + 1
            self.events.append(TailEvent(position, source, stream, "read", None, b"%d " % position))
        self.news()

    def read(self, after: int) -> TailPage:
        self.asked.append(after)
        self.was_read.set()
        upto = after + self.at_once
        return TailPage(self.events[after:upto], more=upto < len(self.events))

    def listen(self, news: Callable[[], None]) -> None:
        self.news = news


class Follower:
    def __init__(self, wanted: Wanted = ALL, after: int = 0, *, takes: bool = True) -> None:
        self.wanted, self.after, self.takes = wanted, after, takes
        self.fed, self.patient = False, True
        self.got, self.back = b"", 0
        self.came = asyncio.Event()

    def take(self, messages: bytes, position: int) -> bool:
        self.got += messages
        self.after = position
        self.came.set()
        return self.takes

    def look(self) -> bool:
        return True

    def fall_back(self) -> None:
        self.back += 1
        self.came.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Until it was given what makes this true."""
        while not condition():
            self.came.clear()
            await self.came.wait()


class WatchedTail(Tail):
    """Tells when it has looked around."""

    def __init__(self, log: "Log") -> None:
        super().__init__(log.read, log.listen)
        self.looked = asyncio.Event()

    def _look(self) -> None:
        super()._look()
        self.looked.set()


def run(scene: Callable[[Log, Tail], Any]) -> None:
    async def whole() -> None:
        log = Log()
        tail = Tail(log.read, log.listen)
        await asyncio.wait_for(scene(log, tail), 20)
        await asyncio.to_thread(tail.close)

    asyncio.run(whole())


def test_each_gets_what_fits_and_an_event_is_read_once_for_all():
    async def scene(log: Log, tail: Tail) -> None:
        wanted = [
            Wanted(),
            Wanted(frozenset("a")),
            Wanted(frozenset("b")),
            Wanted(frozenset("a"), frozenset({("a", "s")})),
            NONE,
        ]
        followers = [Follower(one) for one in wanted for _ in range(3)]
        assert all(tail.join(one, 0) for one in followers)

        log.add(("a", "s"), ("b", "s"), ("a", None), ("a", "t"))
        await followers[0].until(lambda: followers[0].got.endswith(b"4 "))

        assert [one.got for one in followers[::3]] == [b"1 2 3 4 ", b"1 3 4 ", b"2 ", b"1 ", b""]
        assert {one.got for one in followers[:3]} == {b"1 2 3 4 "}
        for one in followers:
            tail.leave(one)

    run(scene)


def test_who_wants_a_type_is_fed_events_of_that_type_alone():
    async def scene(log: Log, tail: Tail) -> None:
        wanted = [
            ALL,
            Wanted(type="t"),
            Wanted(frozenset("a"), type="t"),
            Wanted(frozenset("a"), frozenset({("a", "s")}), type="u"),
        ]
        followers = [Follower(one) for one in wanted]
        for one in followers:
            tail.join(one, 0)

        places = (("a", "s", "t"), ("a", "s", "u"), ("b", None, "t"), ("a", "s", None))
        for number, (source, stream, kind) in enumerate(places, 1):
            log.events.append(TailEvent(number, source, stream, "read", kind, b"%d " % number))
        log.news()
        await followers[0].until(lambda: followers[0].got.endswith(b"4 "))
        late = Follower(Wanted(type="t"))
        tail.join(late, 0)

        assert [one.got for one in (*followers, late)] == [b"1 2 3 4 ", b"1 3 ", b"1 ", b"2 ", b"1 3 "]
        for one in (*followers, late):
            tail.leave(one)

    run(scene)


def test_who_does_not_take_is_fed_no_longer_and_comes_back_behind_what_he_has():
    async def scene(log: Log, tail: Tail) -> None:
        slow, quick = Follower(takes=False), Follower()
        tail.join(slow, 0)
        tail.join(quick, 0)
        log.add(("a", None))
        await quick.until(lambda: quick.got == b"1 ")
        log.add(("a", None), ("a", None))
        await quick.until(lambda: quick.got == b"1 2 3 ")
        assert (slow.got, slow.fed, slow.after) == (b"1 ", False, 1)

        slow.takes = True
        assert tail.join(slow, slow.after)

        assert (slow.got, slow.fed) == (b"1 2 3 ", True)
        tail.leave(slow)
        tail.leave(quick)

    run(scene)


def test_who_is_too_far_back_reads_once_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "KEPT", 2)

    async def scene(log: Log, tail: Tail) -> None:
        there = Follower()
        tail.join(there, 0)
        log.add(*[("a", None)] * 5)
        await there.until(lambda: there.after == 5)

        assert not tail.join(Follower(), 2)
        late = Follower(after=3)
        assert tail.join(late, 3)

        assert late.got == b"4 5 "
        tail.leave(there)
        tail.leave(late)

    run(scene)


def test_who_is_ahead_of_the_log_gets_what_is_behind_him():
    async def scene(log: Log, tail: Tail) -> None:
        ahead, there = Follower(after=2), Follower()
        tail.join(ahead, 0)
        tail.join(there, 0)

        log.add(*[("a", None)] * 4)
        await there.until(lambda: there.got == b"1 2 3 4 ")

        assert ahead.got == b"3 4 "
        tail.leave(ahead)
        tail.leave(there)

    run(scene)


def test_a_source_that_is_new_sends_those_back_who_take_any():
    async def scene(log: Log, tail: Tail) -> None:
        anywhere, of_one = Follower(Wanted(None, frozenset({("a", "s")}))), Follower(Wanted(frozenset("a")))
        tail.join(anywhere, 0)
        tail.join(of_one, 0)

        log.add(("a", "s"))
        await of_one.until(lambda: of_one.got == b"1 ")

        assert (anywhere.back, anywhere.fed, anywhere.after, anywhere.got) == (1, False, 0, b"")
        assert tail.join(anywhere, 1)
        assert anywhere.got == b"1 "
        log.add(("a", "s"))
        await of_one.until(lambda: of_one.got == b"1 2 ")
        assert (anywhere.back, anywhere.got) == (1, b"1 2 ")
        tail.leave(anywhere)
        tail.leave(of_one)

    run(scene)


def test_who_was_away_when_a_new_source_came_has_to_read_if_it_may_have_his_streams():
    async def scene(log: Log, tail: Tail) -> None:
        there = Follower()
        anywhere = Follower(Wanted(None, frozenset({("a", "s")})), takes=False)
        slow = Follower(Wanted(frozenset("a")), takes=False)
        tail.join(there, 0)
        log.add(("a", "other"))
        await there.until(lambda: there.got == b"1 ")
        tail.join(anywhere, 1)
        tail.join(slow, 1)
        log.add(("a", "s"))
        await there.until(lambda: there.got == b"1 2 ")
        assert (anywhere.fed, slow.fed) == (False, False)
        log.add(("new", "s"))
        await there.until(lambda: there.got == b"1 2 3 ")

        assert (tail.rejoin(anywhere), tail.rejoin(slow)) == (False, True)
        assert not tail.join(anywhere, 2)
        assert tail.join(anywhere, 3)

        for follower in (there, anywhere, slow):
            tail.leave(follower)

    run(scene)


def test_nothing_is_read_where_nobody_follows():
    async def scene(log: Log, _tail: Tail) -> None:
        one, tail = Follower(), WatchedTail(log)
        tail.join(one, 0)
        assert await asyncio.to_thread(log.was_read.wait, 20)
        tail.leave(one)
        asked = len(log.asked)

        log.add(("a", None))
        tail.looked.clear()
        await tail.looked.wait()

        assert not tail._looking
        await asyncio.to_thread(tail.close)
        assert len(log.asked) == asked

    run(scene)


def test_what_is_committed_and_not_replayed_yet_is_looked_for_again_soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "EVERY", 60.0)

    async def scene(log: Log, _tail: Tail) -> None:
        nothing, later = TailPage([], more=False), list[bool]()
        tail = Tail(lambda after: log.read(after) if later else nothing, log.listen, replayed=True)
        replayed = Follower()
        tail.join(replayed, 0)
        log.add(("clinic", "a"))
        asyncio.get_running_loop().call_later(0.01, later.append, True)
        await replayed.came.wait()
        assert replayed.got == b"1 "
        await asyncio.to_thread(tail.close)

    run(scene)


def test_what_is_left_of_the_log_is_read_at_once_however_few_events_came(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "EVERY", 60.0)

    async def scene(log: Log, tail: Tail) -> None:
        follower, log.at_once = Follower(), 2
        log.add(*[("a", None)] * 5)
        tail.join(follower, 0)
        await follower.until(lambda: follower.got == b"1 2 3 4 5 ")

        assert log.asked == [0, 2, 4]
        tail.leave(follower)

    run(scene)
