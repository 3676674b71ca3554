"""Whether the log can commit now. A probe writes, since a database that answers reads may still refuse writes."""

from collections.abc import Callable, Sequence

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.log.entries import Entry, Probe, Receipt, Rejection
from core.event import SECOND, Instant

FRESH: Instant = 4 * SECOND
"""For so long a delivery that could not be recorded counts against whoever says that all is well."""

ABLE = Receipt("able", 0)


class WriteHealth:
    """What became of the latest deliveries. A probe is small: on a full disk it finds room where they do not."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._failed_at: Instant | None = None
        self._cause = ""

    def worked(self, batch: Sequence[Entry | Rejection | Probe]) -> None:
        """A batch was committed; rejections say nothing, they are small too."""
        if any(isinstance(item, Entry) for item in batch):
            self._failed_at = None

    def failed(self, batch: Sequence[Entry | Rejection | Probe], cause: str) -> None:
        """A batch was not. A probe's own failure is told already."""
        if any(not isinstance(item, Probe) for item in batch):
            self._failed_at, self._cause = self._clock(), cause

    def receipt(self) -> Receipt:
        """A probe's, once it is written: able, or what was in the way a moment ago."""
        fresh = self._failed_at is not None and abs(self._clock() - self._failed_at) < FRESH
        return Receipt(self._cause, 0) if fresh else ABLE


def probe(append: Callable[[Probe], Receipt]) -> None:
    """Returns once the log has committed a write that changes nothing. Raises Unavailable where it could not."""
    if (receipt := append(Probe())) != ABLE:
        raise Unavailable(f"deliveries could not be recorded a moment ago ({receipt.verdict})")
