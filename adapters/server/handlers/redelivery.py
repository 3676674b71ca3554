"""Sends a stored range of the log to a handler again, one delivery after the other, no faster than it is asked to.

It is for a handler under development: nothing of it becomes an event but that it was done.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from adapters.providers import Outcome, Provider
from adapters.server.handlers.handler import Handler, RecordedRequest, Target
from core.event import Headers, Instant

MARK = ("hookfold-verdict", "duplicate")
"""As what a sender repeats: the handler may have had it before."""


class StoredDelivery(NamedTuple):
    """A delivery as it was recorded; its event's position."""

    source: str
    position: int
    headers: Headers
    body: bytes


class Redelivered(NamedTuple):
    """What became of one."""

    position: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Redelivery:
    """`url`: the handler's whole URL. `rate`: deliveries a second, at most. `within`: seconds for each answer."""

    url: str
    rate: float
    within: float
    providers: dict[str, Provider]
    clock: Callable[[], Instant]

    def run(self, deliveries: Iterable[StoredDelivery], tell: Callable[[Redelivered], bool]) -> None:
        """Sends them, until `tell` says that it is enough (False)."""
        asyncio.run(self._run(deliveries, tell))

    async def _run(self, deliveries: Iterable[StoredDelivery], tell: Callable[[Redelivered], bool]) -> None:
        loop = asyncio.get_running_loop()
        target = Target(self.url, self.within, most=1, observe=False, beside=frozenset(), session=False)
        handler = Handler(target, self.clock)
        due = loop.time()
        try:
            for one in deliveries:
                await asyncio.sleep(due - loop.time())
                due = max(due, loop.time() - 1 / self.rate) + 1 / self.rate
                if not tell(Redelivered(one.position, await self._send(handler, one))):
                    return
        finally:
            await handler.close()

    async def _send(self, handler: Handler, one: StoredDelivery) -> Outcome:
        provider = self.providers.get(one.source)
        headers = one.headers if provider is None else provider.signed_again(one.headers, one.body, self.clock())
        marks = [MARK, ("hookfold-position", str(one.position))]
        until = asyncio.get_running_loop().time() + self.within
        outcome, _ = await handler.deliver(RecordedRequest("", headers, one.body), marks, until)
        return outcome
