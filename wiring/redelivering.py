"""Sends a stored range again to a handler under development."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from adapters.config import Settings
from adapters.providers import is_senders
from adapters.server import Redelivered, Redelivery, StoredDelivery
from adapters.sql import Reads, Recorded, Recorder, WantedEvents
from wiring.appending import appending
from wiring.components import Components, now

PAGE = 100
"""Events that are read at a time."""


@dataclass(frozen=True, slots=True)
class Redeliveries:
    """As a command uses it."""

    components: Components
    reads: Reads
    recorder: Recorder

    def find(self, source: str, stream: str | None, after: int, until: int | None) -> Iterator[StoredDelivery]:
        """What its sender sent, in the log's order, as far as it was not erased; up to the log's end as it is now."""
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
        """The position of the event that tells of it."""
        return self.recorder.record("redelivered", source=source, after=after, until=until)

    def send(
        self, url: str, rate: float, within: float, some: Iterator[StoredDelivery], tell: Callable[[Redelivered], bool]
    ) -> None:
        """Sends them, until `tell` says that it is enough."""
        Redelivery(url, rate, within, dict(self.components.providers), now).run(some, tell)


@contextmanager
def redelivering(settings: Settings) -> Iterator[Redeliveries]:
    """For a block."""
    with appending(settings) as (components, log):
        yield Redeliveries(components, Reads(components.engine), components.recorder(log))
