"""How long to wait before a handler is asked again: longer each time, and never at one time for all."""

from secrets import randbelow

from core.event import SECOND, Headers, Instant

FIRST: Instant = 5 * SECOND
LONGEST: Instant = 3_600 * SECOND

_DOUBLED = 10
"""Attempts behind which the pause grows no more."""


def pause(attempts: int) -> Instant:
    """Behind so many failed attempts: doubled each time, of which a random half is left out (equal jitter)."""
    whole = min(FIRST << min(attempts - 1, _DOUBLED), LONGEST)
    return whole // 2 + randbelow(whole // 2 + 1)


def asked_pause(headers: Headers) -> Instant:
    """What a handler asks for (`Retry-After` in seconds), up to the longest pause; 0 where it asks for none."""
    asked = next((value.strip() for name, value in headers if name.lower() == "retry-after"), "")
    return min(int(asked) * SECOND, LONGEST) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 0
