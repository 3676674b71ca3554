"""The wiring of `replay deliver`: stored webhooks are sent again to a handler under development."""

from collections.abc import Iterator
from contextlib import contextmanager

from adapters.config import Settings
from adapters.server import Redeliveries
from adapters.sql import Reads
from wiring.appending import appending
from wiring.components import now


@contextmanager
def redelivering(settings: Settings) -> Iterator[Redeliveries]:
    """Context manager: opens the log and yields the redeliveries of a command."""
    with appending(settings) as (components, log):
        yield Redeliveries(Reads(components.engine), components.recorder(log), components.providers, now)
