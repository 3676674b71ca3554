"""The state of a spool: the deliveries that wait in files for the log."""

from typing import NamedTuple

from core.event import Instant


class SpoolState(NamedTuple):
    """The spool of one source. `size` is in bytes, `oldest_at` None if it is empty, `aside` counts files set aside."""

    source: str
    size: int
    oldest_at: Instant | None
    aside: int
