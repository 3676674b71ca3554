"""Instants as text: ISO 8601, `Z`, microseconds."""

from datetime import UTC, datetime, timedelta

from core.event import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def utc(instant: Instant) -> str:
    """`2026-11-21T20:48:00.000000Z`."""
    moment = _EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def text_of(instant: Instant | None) -> str:
    """The same; empty for None, as a cell of a table."""
    return "" if instant is None else utc(instant)
