"""What delivers behind our answer, in the test's own event loop: a real outbox, a real log, a real handler."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec

from adapters.providers import reader
from adapters.server import Handler, Relaying, RelaySource, Target
from adapters.sql import Entry, Outbox, Receipt, sealed_by
from tests.support.house import House
from wiring.components import now

DAY = 86_400_000_000
PATIENCE = 20.0

Step = Callable[[], Awaitable[None]]


async def _goes_on() -> None:
    """A step behind which nobody is killed."""


class Relay:
    """One life of a process that delivers what waits of some sources. `step` is awaited behind everything it does."""

    def __init__(self, house: House, url: str, *sources: str, step: Step = _goes_on, **more: Any) -> None:
        self._house = house
        self._step = step
        self._thread = ThreadPoolExecutor(1)
        outbox = Outbox(house.engine, "relay")
        retry_for = more.pop("retry_for", DAY)
        self.relays = [
            Relaying(
                RelaySource(name, _Asked(self._target(url, name, more), now, step), *self._read(name), retry_for),
                outbox,
                self._ask,
                self._commit,
                house.recorder,
                now,
            )
            for name in sources
        ]

    def _target(self, url: str, name: str, more: dict[str, Any]) -> Target:
        session = self._house.providers[name].machine_of("session") == "session"
        given: dict[str, Any] = {"url": url, "within": 5.0, "most": 8, "observe": False} | more
        return Target(**given, beside=frozenset(), session=session)

    def _read(self, name: str) -> tuple[Any, Any]:
        return self._house.providers[name], reader(self._house.providers[name])

    async def _ask(self, question: Callable[..., Any], *values: Any) -> Any:
        answer = await asyncio.get_running_loop().run_in_executor(self._thread, question, *values)
        await self._step()
        return answer

    async def _commit(self, entry: Entry) -> Receipt:
        entry.sealed = sealed_by(self._house.ids, entry)
        (receipt,) = self._house.log.append([entry])
        await self._step()
        for one in self.relays:
            one.wake()
        await asyncio.sleep(0.005)
        return receipt

    async def until(self, over: Callable[[], bool]) -> None:
        """Delivers until it is over, and ends as one that is told to."""
        running = [asyncio.create_task(one.run()) for one in self.relays]
        await _polled(over)
        for one in self.relays:
            one.stop()
        await asyncio.gather(*running)
        self._thread.shutdown()

    async def until_killed(self, killed: asyncio.Event, over: Callable[[], bool]) -> None:
        """Delivers until it is killed: nothing of it goes on then."""
        self._running = [asyncio.create_task(one.run()) for one in self.relays]
        await _polled(lambda: killed.is_set() or over())
        everything = asyncio.all_tasks() - {asyncio.current_task()}
        for task in everything:
            task.cancel()
        await asyncio.gather(*everything, return_exceptions=True)
        for one in self.relays:
            await one._source.handler.close()
        self._thread.shutdown()


async def _polled(over: Callable[[], bool]) -> None:
    """The database tells nobody: it is looked at."""
    async with asyncio.timeout(PATIENCE):
        while not over():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class _Asked(Handler):
    """A handler whose answer is a step, too."""

    def __init__(self, target: Target, clock: Callable[[], int], step: Step) -> None:
        super().__init__(target, clock)
        self._step = step

    async def deliver(self, *given: Any) -> Any:
        answered = await super().deliver(*given)
        await self._step()
        return answered


def to_relay(house: House, source: str, document: Any, key: str | None = None, target: str = "/webhook") -> int:
    """Appends an event that is to be delivered; its position."""
    entry = msgspec.structs.replace(house.entry(source, document, key), relay=target)
    return house.log.append([entry])[0].position
