"""Erasure: finds what is somebody's or too old, and destroys it part by part, each with the event that tells of it."""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.afresh import Afresh
from adapters.sql.destroy import Destroyer, Found
from adapters.sql.dialects import Row
from adapters.sql.log import Log
from adapters.sql.own import Recorder
from adapters.sql.transactions import Transactions
from core.event import Instant

PART = 200
"""Streams, events or rejections of one transaction: deliveries wait meanwhile."""

_NEEDLES = 20
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")

_NAMES = "SELECT source, stream, provider_id FROM streams WHERE stream = ? AND provider_id IS NOT NULL"
_OF_USER = "SELECT DISTINCT source, stream FROM projections WHERE user_id = ?"
_BODIES = (
    "SELECT e.source, e.stream, e.position FROM payloads p JOIN events e ON e.source = p.source "
    "AND e.position = p.position WHERE p.source <> 'hookfold' AND ({})"
)
_KEPT = "SELECT p.source, e.stream, e.position, p.verdict, p.delivery FROM deliveries p LEFT JOIN events e "
_KEPT += "ON e.source = p.source AND e.position = p.position WHERE p.body IS NOT NULL AND ({})"
_DEVICES = (
    "SELECT d.source, d.stream FROM projections a JOIN streams d ON d.source = a.source AND d.stream = a.device "
    "WHERE a.source = ? AND a.stream = ? AND d.provider_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM events e "
    "WHERE e.source = d.source AND e.opened = d.opened AND e.stream = d.stream AND e.position > 0)"
)
_ACTIONS = "SELECT source, stream FROM projections WHERE source = ? AND device = ?"
_OLD_STREAMS = (
    "SELECT s.source, s.stream FROM streams s WHERE s.source = ? AND s.provider_id IS NOT NULL AND s.opened <= ? "
    "AND NOT EXISTS (SELECT 1 FROM events e WHERE e.source = s.source AND e.opened = s.opened "
    "AND e.stream = s.stream AND e.position > ?) AND NOT EXISTS (SELECT 1 FROM projections a "
    "WHERE a.source = s.source AND a.device = s.stream AND a.position > ?)"
)
_OLD_LOOSE = (
    "SELECT e.source, e.position FROM events e JOIN payloads p ON p.source = e.source AND p.position = e.position "
    "WHERE e.source = ? AND e.opened IS NULL AND e.stream IS NULL AND e.position <= ? AND p.body IS NOT NULL"
)
_OLD_REJECTIONS = (
    "SELECT source, delivery FROM deliveries WHERE source = ? AND verdict = 'rejected' AND recorded_at < ? "
    "AND headers IS NOT NULL"
)
_LAST_BEFORE = "SELECT position FROM events WHERE recorded_at < ? ORDER BY position DESC LIMIT 1"


class Erasure(msgspec.Struct):
    """What was erased. `positions`: of the events that tell of it; `events`: how many bodies are gone."""

    request: str
    positions: list[int] = []
    streams: int = 0
    events: int = 0
    rejections: int = 0


Progress = Callable[[int, int], None]
"""(done, all): streams, loose events and rejections."""


class Eraser:
    """Erases through this process's log. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine, log: Log, recorder: Recorder, afresh: Afresh) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._destroyer = Destroyer(afresh)
        self._log = log
        self._recorder = recorder

    def of_streams(self, names: Sequence[str]) -> Found:
        """The streams with these ids of ours, and whatever else names the same provider's ids."""
        with self._transactions.reading() as cursor:
            named = [row for name in names for row in self._all(cursor, _NAMES, (name,))]
            return self._with_devices(
                cursor, self._closed(cursor, [row[:2] for row in named], {row[2] for row in named})
            )

    def of_user(self, user: str) -> Found:
        """The streams of a user, by the provider's own id, and whatever else names the user or those streams."""
        with self._transactions.reading() as cursor:
            found = self._closed(cursor, self._all(cursor, _OF_USER, (user,)), {user})
            named = [row for _, stream in found.streams for row in self._all(cursor, _NAMES, (stream,))]
            sessions = {row[2] for row in named if row[1].startswith("ses_")}
            more = self._closed(cursor, found.streams, sessions) if sessions else Found()
            loose = [*found.loose, *more.loose]
            whole = Found([*found.streams, *more.streams], loose, [*found.rejections, *more.rejections])
            return self._with_devices(cursor, _unique(whole))

    def before(self, source: str, instant: Instant) -> Found:
        """What of a source was recorded before an instant: streams of which nothing was recorded since."""
        with self._transactions.reading() as cursor:
            last = next((row[0] for row in self._all(cursor, _LAST_BEFORE, (instant,))), 0)
            return Found(
                self._all(cursor, _OLD_STREAMS, (source, last, last, last)),
                self._all(cursor, _OLD_LOOSE, (source, last)),
                self._all(cursor, _OLD_REJECTIONS, (source, instant)),
            )

    def erase(
        self, found: Found, reason: str, by: str | None = None, progress: Progress = lambda _done, _all: None
    ) -> Erasure:
        """Destroys what was found. What is told was done: each part goes in the transaction that tells of it."""
        erasure = Erasure(secrets.token_hex(8))
        whole = len(found.streams) + len(found.loose) + len(found.rejections)
        for part in _parts(found):
            self._erase(part, erasure, reason, by)
            progress(erasure.streams + erasure.rejections, whole)
        return erasure

    def _erase(self, part: Found, erasure: Erasure, reason: str, by: str | None) -> None:
        what = {
            "request": erasure.request,
            "reason": reason,
            "streams": [stream for _, stream in part.streams],
            "positions": [position for _, position in part.loose],
            "rejections": len(part.rejections),
        }
        entry = self._recorder.entry("erased", by, **what)
        at, emptied = self._log.append_with(entry, lambda cursor, at: self._destroyer.destroy(cursor, part, at))
        erasure.positions.append(at)
        erasure.streams += len(part.streams)
        erasure.events += emptied
        erasure.rejections += len(part.rejections)

    def _closed(self, cursor: Any, streams: Sequence[Row], names: Iterable[str]) -> Found:
        """Streams, and all that names one of the names: as a JSON string, in whatever was kept of a body."""
        found = Found([tuple(row) for row in streams])
        needles = sorted({needle for name in names for needle in _needles(name)})
        for start in range(0, len(needles), _NEEDLES):
            some = needles[start : start + _NEEDLES]
            held = " OR ".join([self._dialect.contains("p.body")] * len(some))
            for source, stream, position in self._all(cursor, _BODIES.format(held), some):
                _add(found, source, stream, position)
            for source, stream, position, verdict, delivery in self._all(cursor, _KEPT.format(held), some):
                if verdict == "rejected":
                    found.rejections.append((source, delivery))
                else:
                    _add(found, source, stream, position)
        return _unique(found)

    def _with_devices(self, cursor: Any, found: Found) -> Found:
        """A device that nothing but erased actions names is erased with them."""
        gone = set(found.streams)
        for action in [stream for stream in found.streams if stream[1].startswith("act_")]:
            for device in map(tuple, self._all(cursor, _DEVICES, action)):
                if all(tuple(other) in gone for other in self._all(cursor, _ACTIONS, device)):
                    found.streams.append(device)
        return _unique(found)

    def _all(self, cursor: Any, sql: str, values: Sequence[Any]) -> list[Any]:
        cursor.execute(sql.replace("?", self._dialect.mark), tuple(values))
        return [tuple(row) for row in cursor.fetchall()]


def _needles(name: str) -> set[bytes]:
    """How JSON may be expected to write the name: as it is or in ASCII, hex in either case, a slash escaped or not."""
    plain, ascii_ = (json.dumps(name, ensure_ascii=only) for only in (False, True))
    written = {plain, ascii_, _ESCAPE.sub(lambda one: f"\\u{one[1].upper()}", ascii_)}
    return {text.encode("utf-8", "replace") for one in written for text in (one, one.replace("/", "\\/"))}


def _add(found: Found, source: str, stream: str | None, position: int) -> None:
    if stream is None:
        found.loose.append((source, position))
    else:
        found.streams.append((source, stream))


def _unique(found: Found) -> Found:
    return Found(*(list(dict.fromkeys(rows)) for rows in (found.streams, found.loose, found.rejections)))


def _parts(found: Found) -> Iterator[Found]:
    for start in range(0, len(found.streams), PART):
        yield Found(streams=found.streams[start : start + PART])
    for start in range(0, max(len(found.loose), len(found.rejections)), PART):
        yield Found(loose=found.loose[start : start + PART], rejections=found.rejections[start : start + PART])
