"""The two clocks of a question: what had happened by a time, and what had been recorded by then."""

from collections.abc import Iterable

import msgspec

from core.event import Event, Instant


class Clocks(msgspec.Struct, frozen=True, gc=False):
    """Which events a question is about.

    `as_of`: those that had happened by then, by the provider's clock; None: all. `position`: those that the log held
    when this was its last position. `recorded_at` bounds what has no position: deliveries that were no event.
    """

    position: int
    as_of: Instant | None = None
    recorded_at: Instant | None = None


def happened_at(event: Event) -> Instant:
    """The provider's time; where the provider gave none, the time at which it reached us is the best that is known."""
    return event.received_at if event.occurred_at is None else event.occurred_at


def covers(clocks: Clocks, event: Event) -> bool:
    """Whether the question is about this event."""
    return event.position <= clocks.position and (clocks.as_of is None or happened_at(event) <= clocks.as_of)


def covered(clocks: Clocks, events: Iterable[Event]) -> list[Event]:
    """Those of the events that the question is about."""
    return [event for event in events if covers(clocks, event)]
