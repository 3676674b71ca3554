"""What waits in files for the log."""

from typing import NamedTuple

from core.event import Instant


class SpoolState(NamedTuple):
    """Of one source. `size`: bytes; `oldest_at`: None where nothing waits; `aside`: files that nobody took in."""

    source: str
    size: int
    oldest_at: Instant | None
    aside: int
