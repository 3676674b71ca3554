"""The log without HTTP, with concurrent callers of one event each, against the `eventsourcing` library."""

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from statistics import median
from threading import Thread
from typing import Protocol

from bench.command import Place, main
from bench.measure import interleaved, percentile, ratios, say
from bench.own import Own, Written
from bench.results import Figure, rate
from bench.traffic import Message, Traffic

OF_THE_LIBRARY = 5.0
MANY_CALLERS = 16
BY_DEFAULT = "writing process"
"""Callers in an event loop, as `make run` has them."""
IN_THREADS, ALONE = "writing process, from threads", "threads commit"
SAME_WORK, STORE_ALONE = "aggregates", "event store"
"""The library keeps a state too; its event store alone is less work, and told beside it."""
PAIRS = ((BY_DEFAULT, SAME_WORK), (BY_DEFAULT, STORE_ALONE), (IN_THREADS, SAME_WORK), (ALONE, SAME_WORK))


class Store(Protocol):
    """What appends. `append` returns when the message is durable; any thread may call."""

    @property
    def stored(self) -> int: ...

    def append(self, message: Message) -> None: ...

    def events_of(self, messages: int, sessions: int) -> int: ...

    def close(self) -> None: ...


class Callers:
    """Threads that append to one store, one message at a time each."""

    def __init__(self, traffic: Traffic, store: "Store") -> None:
        self.store = store
        self.traffic = traffic
        self._messages = iter(self.traffic)
        self._ready: deque[Message] = deque()
        self._highest = 5_000
        self.appended: list[Message] = []
        self.latencies: list[float] = []

    def slice(self, callers: int, seconds: float) -> float:
        """Appends a second."""
        wanted = int(2 * self._highest * seconds) + callers
        self._ready.extend(_signed(itertools.islice(self._messages, max(0, wanted - len(self._ready)))))
        before, began = len(self.appended), time.perf_counter()
        self._call_all(callers, began + seconds)
        found = (len(self.appended) - before) / (time.perf_counter() - began)
        self._highest = max(self._highest, int(found))
        return found

    def _call_all(self, callers: int, until: float) -> None:
        threads = [Thread(target=self._call, args=(until,)) for _ in range(callers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _call(self, until: float) -> None:
        now = time.perf_counter()
        while now < until and self._ready:
            message = self._ready.popleft()
            self.store.append(message)
            now = self._appended(message, now)

    def _appended(self, message: Message, since: float) -> float:
        self.appended.append(message)
        now = time.perf_counter()
        self.latencies.append(now - since)
        return now

    def verify(self) -> None:
        """Raises AssertionError where the store does not hold as many events as were appended."""
        sessions = len({message.session for message in self.appended})
        wanted, found = self.store.events_of(len(self.appended), sessions), self.store.stored
        if wanted != found:
            raise AssertionError(f"{wanted} events were appended, {found} are there")


class LoopCallers(Callers):
    """Callers in one event loop, as what serves HTTP has them."""

    def __init__(self, traffic: Traffic, store: Written) -> None:
        super().__init__(traffic, store)
        self.written = store

    def begin(self, count: int) -> None:
        """Appends the next messages, many in one transaction."""
        begun = list(itertools.islice(self._messages, count))
        for start in range(0, count, 500):
            self.written.append_all(begun[start : start + 500])
        self.appended += begun

    def _call_all(self, callers: int, until: float) -> None:
        self.written.run(self._together(callers, until))

    async def _together(self, callers: int, until: float) -> None:
        await asyncio.gather(*(self._call_in_loop(until) for _ in range(callers)))

    async def _call_in_loop(self, until: float) -> None:
        now = time.perf_counter()
        while now < until and self._ready:
            message = self._ready.popleft()
            await self._hand_in(message)
            now = self._appended(message, now)

    async def _hand_in(self, message: Message) -> None:
        await self.written.hand_in(message)


def _signed(messages: Iterable[Message]) -> Iterator[Message]:
    """Signed beforehand: that is the sender's work, and the library is not given it."""
    for message in messages:
        assert message.headers
        yield message


def append(place: Place) -> list[Figure]:
    """Every database with all stores open at once, measured in turn."""
    return [figure for database in place.databases for figure in _of_database(place, database)]


def _of_database(place: Place, database: str) -> list[Figure]:
    scale, figures = place.scale, []
    with _stores(place, database) as stores:
        for one in stores.values():
            one.slice(2, scale.seconds / 4)  # connections are made, caches filled
        for callers in scale.callers:
            say(f"  {database}, {callers} callers")
            for one in stores.values():
                one.latencies.clear()
            slices = {name: partial(one.slice, callers, scale.seconds) for name, one in stores.items()}
            rates = interleaved(scale.rounds, slices)
            figures += [_figure(database, callers, rates, (own, peer), stores[own].latencies) for own, peer in PAIRS]
        for one in stores.values():
            one.verify()
    return figures


def _figure(
    database: str, callers: int, rates: Mapping[str, list[float]], pair: tuple[str, str], latencies: list[float]
) -> Figure:
    own, peer = pair
    return rate(
        f"append {database}, {callers} callers, {own}",
        rates[own],
        unit="events/s",
        p50=percentile(latencies, 0.5) * 1e3,
        p99=percentile(latencies, 0.99) * 1e3,
        reference=f"eventsourcing, {peer}",
        reference_value=median(rates[peer]),
        ratio=ratios(rates[own], rates[peer]),
        wanted=OF_THE_LIBRARY if callers == MANY_CALLERS and pair == (BY_DEFAULT, SAME_WORK) else None,
        settings={"database": database, "callers": callers},
    )


@contextmanager
def _stores(place: Place, database: str) -> Iterator[dict[str, Callers]]:
    """All of them open, each with a database of its own."""
    from bench.peers.library import ThroughAggregates, ThroughStore

    with ExitStack() as opened:
        urls = [opened.enter_context(place.database(database, f"append-{database}-{name}")) for name in "wosa"]
        written = Written(place.folder / f"append-{database}-w", urls[0])
        own = Own(place.folder / f"append-{database}-o", urls[1])
        others: dict[str, Store] = {STORE_ALONE: ThroughStore(urls[2]), SAME_WORK: ThroughAggregates(urls[3])}
        for store in (written, own, *others.values()):
            opened.callback(store.close)
        threads = Callers(Traffic("t"), written)
        loop = LoopCallers(Traffic("w"), written)
        loop.appended = threads.appended  # one store holds both
        peers = {name: Callers(Traffic(name[0]), store) for name, store in others.items()}
        yield {BY_DEFAULT: loop, IN_THREADS: threads, ALONE: Callers(Traffic("o"), own), **peers}


if __name__ == "__main__":
    main({"append": append})
