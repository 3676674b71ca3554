"""A reading (what a provider's body says) and an event (what the log stores of it)."""

from typing import Any

import msgspec

Instant = int
"""Microseconds since 1970-01-01T00:00:00Z."""

Headers = list[tuple[str, str]]
"""Header fields as the server passed them on: lower-case names, in order, repeats included."""

SECOND: Instant = 1_000_000

LAST: Instant = 253_402_300_800 * SECOND - 1
"""The end of the year 9999, the latest instant that is accepted or written."""

ANOMALIES = (
    "late",
    "gap",
    "unexpected",
    "conflict",
    "overlap",
    "unknown_type",
    "undecodable",
    "clock_skew",
    "wrong_package",
)
"""Every kind of anomaly. The order is the order of the bits in a projection's anomaly mask: append only."""


class Anomaly(msgspec.Struct, frozen=True, gc=False):
    """A recorded irregularity: its kind (one of ANOMALIES), the position of its event, and a description for people."""

    kind: str
    position: int
    detail: str


class Note(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """An anomaly found while reading a body, before the event has a position."""

    kind: str
    detail: str


class Reading(msgspec.Struct, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """What an authentic body says.

    `type` is the provider's own word. If `known` is false, no machine may act on it (an unknown type, or contradictory
    signals); a note says why. `provider_id` is the provider's id of the stream. `data` holds every documented field
    that is not a column of the event, under its snake_case name, made safe for text columns (no NUL, no lone
    surrogate). `mentions` is the provider's id of a device that the event refers to, if its stream is not that device.
    """

    kind: str
    provider_id: str
    type: str
    sequence: int | None
    occurred_at: Instant | None
    data: dict[str, Any]
    known: bool = True
    notes: tuple[Note, ...] = ()
    mentions: str | None = None


class Unreadable(msgspec.Struct, frozen=True, gc=False, array_like=True, tag=True, tag_field="is_a"):
    """An authentic body that cannot be read. It is recorded raw, with the anomaly `undecodable`. `reason` is for
    people.
    """

    reason: str


READINGS = ("ok", "unknown_type", "undecodable")
"""The result of reading an authentic body. Only an `ok` event moves a machine."""


def word_of(reading: Reading | Unreadable) -> str:
    """The reading's name in READINGS."""
    if isinstance(reading, Unreadable):
        return "undecodable"
    return "ok" if reading.known else "unknown_type"


class Event(msgspec.Struct, frozen=True, gc=False):
    """An event as the fold takes it. `key` breaks ties in the canonical order."""

    position: int
    key: bytes
    type: str
    sequence: int | None
    occurred_at: Instant | None
    received_at: Instant
    signed: bool
    data: dict[str, Any]
    known: bool = True
    notes: tuple[Note, ...] = ()
