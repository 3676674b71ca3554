"""The two time axes of a query: what had happened by a time (`as_of`), and what had been recorded (`known_at`)."""

from collections.abc import Iterable

import msgspec

from core.event import Event, Instant


class Clocks(msgspec.Struct, frozen=True, gc=False):
    """Which events a query covers.

    `as_of` limits it to events that had happened by then on the provider's clock; None means no limit. `position`
    limits it to events up to that position. `recorded_at` limits deliveries that have no position because they made no
    event.
    """

    position: int
    as_of: Instant | None = None
    recorded_at: Instant | None = None


def happened_at(event: Event) -> Instant:
    """The provider's time, or the time of receipt if the provider gave none."""
    return event.received_at if event.occurred_at is None else event.occurred_at


def covers(clocks: Clocks, event: Event) -> bool:
    """Whether the query covers this event."""
    return event.position <= clocks.position and (clocks.as_of is None or happened_at(event) <= clocks.as_of)


def covered(clocks: Clocks, events: Iterable[Event]) -> list[Event]:
    """The events that the query covers."""
    return [event for event in events if covers(clocks, event)]
