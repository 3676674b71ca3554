"""Retraction: an untrue event stays in the log, and the fold skips it from then on."""

from typing import Any

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Insert
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import OWN, Recorder
from adapters.sql.projections.invalidation import Invalidator

_RETRACTIONS = Insert(tables.retractions)
_EVENT = (
    "SELECT e.source, e.stream, p.erased, r.retraction FROM events e "
    "LEFT JOIN payloads p ON p.source = e.source AND p.position = e.position "
    "LEFT JOIN retractions r ON r.source = e.source AND r.position = e.position WHERE e.position = ?"
)


class Unretractable(Exception):
    """The event cannot be retracted. The message says why."""


class Retractor:
    """Retracts through this process's log."""

    def __init__(self, log: Log, recorder: Recorder, afresh: Invalidator) -> None:
        self._log = log
        self._recorder = recorder
        self._invalidator = afresh

    def retract(self, position: int, reason: str, by: str | None = None) -> int:
        """Retracts; returns the position of the event that records it. Raises Unretractable, Unavailable."""
        entry = self._recorder.entry("retracted", by, position=position, reason=reason)
        at, _ = self._log.append_with(entry, lambda cursor, at: self._retract(cursor, position, at))
        return at

    def _retract(self, cursor: Any, position: int, at: int) -> None:
        source, stream = self._find(cursor, position)
        streams = self._invalidator.streams(cursor, [(source, stream)])
        self._invalidator.dialect.insert(cursor, _RETRACTIONS, [(source, position, at)])
        try:
            self._invalidator.refold(cursor, streams, at)
        except KeyError as error:
            raise Unretractable(f"the configuration no longer says how {source} is read") from error

    def _find(self, cursor: Any, position: int) -> tuple[str, str]:
        found = self._invalidator.dialect.run(cursor, _EVENT, position).fetchone()
        if found is None:
            raise Unretractable(f"there is no event at position {position}")
        source, stream, erased, retraction = found
        if source == OWN:
            raise Unretractable("what Hookfold recorded about itself stays")
        if retraction is not None:
            raise Unretractable(f"it is retracted already, by the event at position {retraction}")
        if erased is not None:
            raise Unretractable(f"it was erased, as the event at position {erased} tells")
        if stream is None:
            raise Unretractable("it moves nothing: it belongs to no stream")
        return source, stream
