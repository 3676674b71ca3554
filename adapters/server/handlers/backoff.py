"""Exponential backoff with jitter between attempts at a handler."""

from secrets import randbelow

from core.event import SECOND, Headers, Instant

FIRST: Instant = 5 * SECOND
LONGEST: Instant = 3_600 * SECOND

_DOUBLED = 10
"""The attempts after which the pause no longer grows."""


def pause(attempts: int) -> Instant:
    """The pause after so many failed attempts: doubled each time, with half of it random (equal jitter)."""
    whole = min(FIRST << min(attempts - 1, _DOUBLED), LONGEST)
    return whole // 2 + randbelow(whole // 2 + 1)


def asked_pause(headers: Headers) -> Instant:
    """The pause that a handler requests (`Retry-After` in seconds), up to the longest one; 0 if none."""
    asked = next((value.strip() for name, value in headers if name.lower() == "retry-after"), "")
    return min(int(asked) * SECOND, LONGEST) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
