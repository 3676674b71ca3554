"""Formats instants (ISO 8601, UTC, microseconds) and durations (seconds)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from core.event import SECOND, Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment_of(instant: Instant) -> datetime:
    """In UTC, counted in whole numbers: as a float, the last microsecond of the year 9999 is in the year 10000."""
    return _EPOCH + timedelta(microseconds=instant)


@lru_cache(maxsize=4_096)
def utc(instant: Instant) -> str:
    """`2026-11-21T20:48:00.000000Z`."""
    return moment_of(instant).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def text_of(instant: Instant | None) -> str | None:
    """The same; None stays None."""
    return None if instant is None else utc(instant)


def seconds(duration: Instant | None) -> float | None:
    """A duration in seconds; None stays None."""
    return None if duration is None else duration / SECOND
