"""The times that a reader types into a page's fields: the instant that is meant, or in words why it cannot be shown."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Literal, NamedTuple

INSTANTS = ("as_of", "known_at", "since", "until")
CLOCKS = ("as_of", "known_at")

_TYPED = re.compile(
    r"(?:(\d{4}-\d\d-\d\d)(?:[T ]|$))?(?:(\d\d:\d\d)(:\d\d(?:\.\d+)?)?\s*(UTC|Z|[+-]\d\d:\d\d)?)?", re.ASCII
)


class Fault(NamedTuple):
    """Why a time cannot be shown. `at`: now, or when the first event was recorded or happened."""

    what: Literal["unreadable", "to come", "unheard", "not happened", "nothing"]
    at: str | None = None


def instant_of(typed: str, day: Callable[[], str]) -> str:
    """ISO 8601 text in UTC of what was typed: a time without a zone is UTC, a day alone its beginning, a time alone is
    of `day`. What cannot be read stays as it was typed.
    """
    found = _TYPED.fullmatch(typed)
    if found is None or not typed:
        return typed
    date, clock, seconds, zone = found.groups()
    text = f"{date or day()}T{clock or '00:00'}{seconds or ':00'}"
    try:
        read = datetime.fromisoformat(text + (zone if zone and zone[0] in "+-" else "+00:00"))
        return read.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except (ValueError, OverflowError):
        return typed


def faults_of(asked: Mapping[str, str], now: datetime) -> dict[str, Fault]:
    """What is wrong with the times of a question: one that cannot be read, and a past that is still to come."""
    found = {name: _fault(asked[name], now if name in CLOCKS else None) for name in INSTANTS if name in asked}
    return {name: fault for name, fault in found.items() if fault is not None}


def _fault(text: str, now: datetime | None) -> Fault | None:
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return Fault("unreadable")
    if read.tzinfo is None:
        return Fault("unreadable")
    return Fault("to come", f"{now:%Y-%m-%dT%H:%M:%SZ}") if now is not None and read > now else None
