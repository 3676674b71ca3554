"""Parses the providers' times, ISO 8601 text and Unix numbers, to microseconds."""

import re
from datetime import datetime, timedelta

from core.event import SECOND, Instant

_ISO = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt ]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"(?:([Zz])|([+-])([0-9]{2}):?([0-9]{2}))?"
)
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - every difference below is taken in UTC
_MICROSECOND = timedelta(microseconds=1)
_FIRST: Instant = (datetime.min - _EPOCH) // _MICROSECOND  # noqa: DTZ901 - as above
_LAST: Instant = (datetime.max - _EPOCH) // _MICROSECOND  # noqa: DTZ901 - as above
_MILLISECONDS_ABOVE = 100_000_000_000


def iso(text: str) -> tuple[Instant, bool] | None:
    """The instant of ISO 8601 text, and whether the text has a zone (without one it is read as UTC).

    A leap second becomes the next second. None for other notations, invalid days and zones, and years outside 1 to
    9999.
    """
    match = _ISO.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, zulu, sign, off_hours, off_minutes = match.groups()
    leap = second == "60"
    last = 59 if leap else int(second)
    try:
        local = datetime(int(year), int(month), int(day), int(hour), int(minute), last)  # noqa: DTZ001 - as above
    except ValueError:
        return None
    instant = (local - _EPOCH) // _MICROSECOND + (SECOND if leap else int((fraction or "0").ljust(6, "0")[:6]))
    if sign is not None:
        ahead = _ahead(sign, int(off_hours), int(off_minutes))
        if ahead is None:
            return None
        instant -= ahead
    return (instant, zulu is not None or sign is not None) if _FIRST <= instant <= _LAST else None


def instant(value: object) -> Instant | None:
    """The instant of ISO 8601 text (without a zone UTC) or a Unix number; None for any other value."""
    if type(value) is str:
        found = iso(value)
        return found[0] if found else None
    return unix(value) if type(value) is int or type(value) is float else None


def _ahead(sign: str, hours: int, minutes: int) -> Instant | None:
    if hours > 23 or minutes > 59:
        return None
    ahead = (hours * 3600 + minutes * 60) * SECOND
    return -ahead if sign == "-" else ahead


def unix(number: float) -> Instant | None:
    """The instant of Unix seconds, fractions allowed; above 1e11 they are milliseconds.

    None: negative, or past the year 9999.
    """
    if not 0 <= number <= _LAST:
        return None
    instant = round(number * (1000 if number > _MILLISECONDS_ABOVE else SECOND))
    return instant if instant <= _LAST else None
