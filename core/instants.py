"""Formats instants (ISO 8601, UTC, microseconds) and durations (seconds)."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache

from core.event import SECOND, Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=4_096)
def utc(instant: Instant) -> str:
    """`2026-11-21T20:48:00.000000Z`."""
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def text_of(instant: Instant | None) -> str | None:
    """The same; None stays None."""
    return None if instant is None else utc(instant)


def seconds(duration: Instant | None) -> float | None:
    """A duration in seconds; None stays None."""
    return None if duration is None else duration / SECOND
