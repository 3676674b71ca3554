"""What traces deliveries, as a process that serves, writes or relays sees it (`adapters.tracing`)."""

from collections.abc import Sequence
from typing import Protocol

from adapters.providers import Outcome
from core.event import Headers


class TracedForward(Protocol):
    """An attempt to have a handler answer."""

    def end(self, outcome: Outcome) -> None: ...


class TracedDelivery(Protocol):
    """A request, until its answer is whole. `context`: what goes with it to the process that writes."""

    context: bytes

    def forward(self) -> TracedForward: ...

    def answered(self, status: int) -> None: ...

    def end(self) -> None: ...


class Spans(Protocol):
    """Of one process."""

    def delivery(self, source: str, headers: Headers) -> TracedDelivery: ...

    def relayed(self, source: str, position: int, headers: Headers) -> TracedForward: ...

    def committed(self, begun: int, batch: Sequence[tuple[bytes, object]]) -> None: ...


def context_of(span: TracedDelivery | None) -> bytes:
    """Nothing where nothing is traced."""
    return b"" if span is None else span.context
