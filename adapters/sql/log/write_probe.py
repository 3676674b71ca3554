"""Checks whether the log can commit now. A probe writes, because a database that answers reads may refuse writes."""

from collections.abc import Callable, Sequence

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.log.entries import Entry, Probe, Receipt, Rejection
from core.event import SECOND, Instant

FRESH: Instant = 4 * SECOND
"""How long a failed delivery overrules a successful probe."""

ABLE = Receipt("able", 0)


class WriteHealth:
    """The outcome of the latest deliveries. On a full disk a small probe may succeed where they fail."""

    def __init__(self, clock: Callable[[], Instant]) -> None:
        self._clock = clock
        self._failed_at: Instant | None = None
        self._cause = ""

    def worked(self, batch: Sequence[Entry | Rejection | Probe]) -> None:
        """Records that a batch was committed. Rejections do not count, since they are small too."""
        if any(isinstance(item, Entry) for item in batch):
            self._failed_at = None

    def failed(self, batch: Sequence[Entry | Rejection | Probe], cause: str) -> None:
        """Records that a batch failed. A probe's own failure is reported already."""
        if any(not isinstance(item, Probe) for item in batch):
            self._failed_at, self._cause = self._clock(), cause

    def receipt(self) -> Receipt:
        """The receipt of a written probe: success, or the cause of a recent failure."""
        fresh = self._failed_at is not None and abs(self._clock() - self._failed_at) < FRESH
        return Receipt(self._cause, 0) if fresh else ABLE


def probe(append: Callable[[Probe], Receipt]) -> None:
    """Returns once the log has committed a write that changes nothing. Raises Unavailable if it cannot."""
    if (receipt := append(Probe())) != ABLE:
        raise Unavailable(f"deliveries could not be recorded a moment ago ({receipt.verdict})")
