"""The interface to the tracing of deliveries (`adapters.tracing`) in serving, writing and relaying processes."""

from collections.abc import Sequence
from typing import Protocol

from adapters.providers import Outcome
from core.event import Headers


class TracedForward(Protocol):
    """The span of an attempt at a handler."""

    def end(self, outcome: Outcome) -> None: ...


class TracedDelivery(Protocol):
    """The span of a request until its complete answer. `context` accompanies it to the writing process."""

    context: bytes

    def forward(self) -> TracedForward: ...

    def answered(self, status: int) -> None: ...

    def end(self) -> None: ...


class Spans(Protocol):
    """The tracer of one process."""

    def delivery(self, source: str, headers: Headers) -> TracedDelivery: ...

    def relayed(self, source: str, position: int, headers: Headers) -> TracedForward: ...

    def committed(self, begun: int, batch: Sequence[tuple[bytes, object]]) -> None: ...


def context_of(span: TracedDelivery | None) -> bytes:
    """The span's context; empty if the delivery is not traced."""
    return b"" if span is None else span.context
