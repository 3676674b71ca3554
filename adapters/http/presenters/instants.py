"""Instants as clients write and read them: ISO 8601 with a zone in, `Z` with microseconds out."""

from datetime import UTC, datetime, timedelta

from core.event import SECOND, Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def text_of(instant: Instant | None) -> str | None:
    """`2026-11-21T20:48:00.000000Z`; None stays None."""
    return None if instant is None else utc(instant)


def utc(instant: Instant) -> str:
    """`2026-11-21T20:48:00.000000Z`."""
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def seconds(duration: Instant | None) -> float | None:
    """A duration in seconds; None stays None."""
    return None if duration is None else duration / SECOND
