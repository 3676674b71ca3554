"""Hookfold's own events: entries of a reserved source, in the same log and under the same proofs."""

import os
from collections.abc import Callable
from typing import Any

import msgspec

from adapters.sql.log.entries import Entry, Receipt
from adapters.sql.projections.projection import Source
from core.event import SECOND, Instant, Reading, Unreadable
from core.folding import fold

OWN = "hookfold"
"""The source's name, which no configured source may have."""

TYPES = frozenset(
    "body_read ids_read evidence_made exported imported left_out "
    "erased retracted forwarded replayed switched dropped reread configuration_changed "
    "relay_paused relay_resumed relay_retried relay_dropped redelivered released key_rotated".split()
)
"""Every type of our own events. None belongs to a stream: no machine folds them."""

HOUR = 3_600 * SECOND
NOBODY = "local"
"""The actor if none is known."""


class Recorder:
    """Records operations on the log. `append` returns after the commit; `through` is `http` or `command line`.

    Records are permanent. They contain our ids, positions, counts and configured names, nothing personal.
    """

    def __init__(self, append: Callable[[Entry], Receipt], clock: Callable[[], Instant], through: str) -> None:
        self._append = append
        self._clock = clock
        self._through = through

    def record(self, kind: str, /, by: str | None = None, hourly: str | None = None, **what: Any) -> int:
        """Records an operation; returns the event's position. Raises adapters.sql.Unavailable: then it must not be
        done.

        With `hourly`, repeated operations on one thing are one event per hour; the others are counted as its
        duplicates.
        """
        entry = self.entry(kind, by, **what)
        if hourly is not None:
            entry.identity = f"{kind} {by or NOBODY} {hourly} {entry.received_at // HOUR}".encode()
        return self._append(entry).position

    def entry(self, kind: str, /, by: str | None = None, **what: Any) -> Entry:
        """The entry of an operation, for a caller that commits both together."""
        at = self._clock()
        body = msgspec.json.encode({"type": kind, "who": by or NOBODY, "through": self._through, "at": at, **what})
        return Entry(OWN, at, [], body, None, os.urandom(16), _reading(kind, at, what))


def own_source() -> Source:
    """The source of our own events."""
    return Source(OWN, lambda kind: kind, _read, fold.Settings())


def _read(_: str | None, body: bytes) -> Reading | Unreadable:
    """Reads a body that `Recorder.entry` made. Never raises."""
    try:
        document = msgspec.json.decode(body, type=dict[str, Any])
        return _reading(document.pop("type"), document.pop("at"), document)
    except (msgspec.DecodeError, KeyError) as error:
        return Unreadable(f"not an event of ours: {type(error).__name__}")


def _reading(kind: str, at: Instant, data: dict[str, Any]) -> Reading:
    return Reading("own", "", kind, None, at, data)
