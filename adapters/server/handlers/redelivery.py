"""Sends a stored range of the log to a handler again, one delivery after another, at a limited rate.

Meant for a handler under development. The log records only that it was done.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from adapters.providers import Outcome, Provider
from adapters.server.handlers.handler import Handler, RecordedRequest, Target
from core.event import Headers, Instant

MARK = ("hookfold-verdict", "duplicate")
"""Marks deliveries as repeated, since the handler may have had them before."""


class StoredDelivery(NamedTuple):
    """A recorded delivery and its event's position."""

    source: str
    position: int
    headers: Headers
    body: bytes


class Redelivered(NamedTuple):
    """The outcome of one delivery."""

    position: int
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Redelivery:
    """`url` is the handler's complete URL, `rate` the most deliveries per second, `within` the seconds for each
    response.
    """

    url: str
    rate: float
    within: float
    providers: dict[str, Provider]
    clock: Callable[[], Instant]

    def run(self, deliveries: Iterable[StoredDelivery], tell: Callable[[Redelivered], bool]) -> None:
        """Sends the deliveries until `tell` returns False."""
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
