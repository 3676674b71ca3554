"""Sends a stored range of the log to a handler again, one delivery after another, at a limited rate.

Meant for a handler under development. The log records only that it was done.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from adapters.providers import Outcome, Provider, is_senders
from adapters.server.handlers.handler import Handler, RecordedRequest, Target
from adapters.sql import Reads, Recorded, Recorder, WantedEvents
from core.event import Headers, Instant

PAGE = 100
"""Events that are read at a time."""

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
    providers: Mapping[str, Provider]
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


@dataclass(frozen=True, slots=True)
class Redeliveries:
    """Finds the deliveries in a range of the log, records the redelivery, and sends them to a URL."""

    reads: Reads
    recorder: Recorder
    providers: Mapping[str, Provider]
    clock: Callable[[], Instant]

    def find(self, source: str, stream: str | None, after: int, until: int | None) -> Iterator[StoredDelivery]:
        """Yields what the source's sender delivered after the position `after`, in log order, except erased deliveries.

        Ends behind `until`, by default the log's last position when the iteration starts. `stream` restricts the
        deliveries to one stream of the source, given by our id.
        """
        last = self.reads.head() if until is None else until
        while page := self._page(source, stream, after):
            for event in page:
                after = event.position
                if after > last:
                    return
                request = self.reads.request(after)
                if request is not None and is_senders(event.documented, request[1]):
                    yield StoredDelivery(source, after, *request)

    def _page(self, source: str, stream: str | None, after: int) -> list[Recorded]:
        streams = None if stream is None else [(source, stream)]
        return self.reads.events(WantedEvents(after=after, limit=PAGE, sources=[source], streams=streams))

    def record(self, source: str, after: int, until: int | None) -> int:
        """Records the redelivery in the log. Returns the position of that event."""
        return self.recorder.record("redelivered", source=source, after=after, until=until)

    def send(
        self, url: str, rate: float, within: float, some: Iterator[StoredDelivery], tell: Callable[[Redelivered], bool]
    ) -> None:
        """Sends the deliveries in order. Stops when `tell` returns False."""
        Redelivery(url, rate, within, self.providers, self.clock).run(some, tell)
