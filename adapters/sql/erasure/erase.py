"""Erasure: destroys a person's data or expired data in parts, each in a transaction with the event that records it."""

import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
from adapters.sql.erasure.destroy import Destroyer, Erasable, Search
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from adapters.sql.projections.invalidation import Invalidator
from core.event import Instant
from core.words import counted

PART = 200
"""The most streams, events or rejections of one transaction, while deliveries wait."""

ROUNDS = 3
"""The number of rounds, since more may arrive for the erased meanwhile."""

_NEEDLES = 20
_FROM_THE_START = Search()
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")

_NAMES = "SELECT source, stream, provider_id FROM streams WHERE stream = ? AND provider_id IS NOT NULL"
_OF_USER = "SELECT DISTINCT source, stream FROM projections WHERE user_id = ?"
_BODIES = (
    "SELECT e.source, e.stream, e.position FROM payloads p JOIN events e ON e.source = p.source "
    "AND e.position = p.position WHERE p.source <> 'hookfold' AND p.position > ? AND ({})"
)
_KEPT = "SELECT p.source, e.stream, e.position, p.verdict, p.delivery FROM deliveries p LEFT JOIN events e "
_KEPT += "ON e.source = p.source AND e.position = p.position WHERE p.body IS NOT NULL AND p.delivery > ? AND ({})"
_DEVICES = (
    "SELECT d.source, d.stream FROM projections a JOIN streams d ON d.source = a.source AND d.stream = a.device "
    "WHERE a.source = ? AND a.stream = ? AND d.provider_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM events e{by} "
    "WHERE e.source = d.source AND e.opened = d.opened AND e.stream = d.stream AND e.position > 0)"
)
_ACTIONS = "SELECT source, stream FROM projections WHERE source = ? AND device = ?"
_ACTED = "SELECT position FROM projections WHERE source = ? AND device = ?"
_OLD_STREAMS = (
    "SELECT s.source, s.stream FROM streams s WHERE s.source = ? AND s.provider_id IS NOT NULL AND s.opened <= ? "
    "AND NOT EXISTS (SELECT 1 FROM events e{by} WHERE e.source = s.source AND e.opened = s.opened "
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
_STILL_OLD = f"{_OLD_STREAMS} AND s.stream = ?"
_STILL_ALONE = (
    "SELECT 1 FROM streams d WHERE d.source = ? AND d.stream = ? AND NOT EXISTS (SELECT 1 FROM events e{by} "
    "WHERE e.source = d.source AND e.opened = d.opened AND e.stream = d.stream AND e.position > 0)"
)
_ENDS = "SELECT (SELECT coalesce(max(position), 0) FROM events), (SELECT coalesce(max(delivery), 0) FROM deliveries)"
_LAST_BEFORE = "SELECT position FROM events WHERE recorded_at < ? ORDER BY position DESC LIMIT 1"


class Erasure(msgspec.Struct):
    """The result. `positions` are those of the events that record it, `erased` those whose bodies are gone.

    `streams` are our ids. `searched` is the position up to which the log was searched, `left` the number of items that
    arrived for the erased by then and were not erased, after the last round.
    """

    request: str
    positions: list[int] = []
    streams: list[str] = []
    erased: list[int] = []
    rejections: int = 0
    searched: int = 0
    left: int = 0


class _NotDue(Exception):
    """These streams no longer meet the criteria, so they stay."""

    def __init__(self, streams: Sequence[Row]) -> None:
        super().__init__(counted(len(streams), "stream"))
        self.streams = streams


EraseProgress = Callable[[int, int], None]
"""Receives the number of items done and of all: streams, loose events and rejections."""


class Eraser:
    """Erases through this process's log. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine, log: Log, recorder: Recorder, afresh: Invalidator) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._destroyer = Destroyer(afresh)
        self._log = log
        self._recorder = recorder

    def of_streams(self, names: Sequence[str]) -> Erasable:
        """The streams with these ids of ours, and everything else that names their providers' ids."""
        with self._transactions.reading() as cursor:
            named = [row for name in names for row in self._all(cursor, _NAMES, (name,))]
            search = self._search(cursor, names={row[2] for row in named})
            return self._with_devices(cursor, self._closed(cursor, [row[:2] for row in named], search.names), search)

    def of_user(self, user: str) -> Erasable:
        """The streams of a user, by the provider's id, and everything else that names the user or those streams."""
        with self._transactions.reading() as cursor:
            return self._of_user(cursor, user, (user,), Search())

    def before(self, source: str, instant: Instant) -> Erasable:
        """The streams, events and rejections of a source without anything recorded since a time."""
        with self._transactions.reading() as cursor:
            last = next((row[0] for row in self._all(cursor, _LAST_BEFORE, (instant,))), 0)
            return Erasable(
                self._all(cursor, _OLD_STREAMS, (source, last, last, last)),
                self._all(cursor, _OLD_LOOSE, (source, last)),
                self._all(cursor, _OLD_REJECTIONS, (source, instant)),
                self._search(cursor, aged=(source, last)),
            )

    def erase(
        self, found: Erasable, reason: str, by: str | None = None, progress: EraseProgress = lambda _done, _all: None
    ) -> Erasure:
        """Destroys what was found, and what arrived for the erased meanwhile. Each part is recorded in its transaction.

        A stream that no longer meets the criteria stays and is removed from `found`.
        """
        erasure = Erasure(secrets.token_hex(8))
        for _ in range(ROUNDS):
            whole = len(erasure.streams) + erasure.rejections + _size(found)
            for part in list(_parts(found)):
                self._erase(part, found, erasure, reason, by)
                progress(len(erasure.streams) + erasure.rejections, whole)
            erasure.searched = found.search.searched
            found = self._since(found.search)
            if not found:
                erasure.searched = found.search.searched
                break
        erasure.left = _size(found)
        return erasure

    def _erase(self, part: Erasable, found: Erasable, erasure: Erasure, reason: str, by: str | None) -> None:
        while part:
            try:
                at, emptied = self._destroy(part, erasure, reason, by)
            except _NotDue as not_due:
                for held in (part, found):
                    held.streams = [one for one in held.streams if one not in not_due.streams]
                continue
            erasure.positions.append(at)
            erasure.streams += [stream for _, stream in part.streams]
            erasure.erased += emptied
            erasure.rejections += len(part.rejections)
            return

    def _destroy(self, part: Erasable, erasure: Erasure, reason: str, by: str | None) -> tuple[int, list[int]]:
        """Destroys a part under the append lock. Raises _NotDue; then nothing is destroyed or recorded."""

        def destroyed(cursor: Any, at: int) -> list[int]:
            streams = [one for one in part.streams if not self._is_due(cursor, one, part.search)]
            if streams:
                raise _NotDue(streams)
            return self._destroyer.destroy(cursor, part, at)

        what = {
            "request": erasure.request,
            "reason": reason,
            "streams": [stream for _, stream in part.streams],
            "positions": [position for _, position in part.loose],
            "rejections": len(part.rejections),
        }
        return self._log.append_with(self._recorder.entry("erased", by, **what), destroyed)

    def _is_due(self, cursor: Any, one: Row, search: Search) -> bool:
        if search.aged is not None:
            source, last = search.aged
            return bool(self._all(cursor, _STILL_OLD, (source, last, last, last, one[1])))
        if one in search.devices:
            return bool(self._all(cursor, _STILL_ALONE, one)) and not self._named_since(cursor, one, search)
        return True

    def _named_since(self, cursor: Any, device: Row, search: Search) -> bool:
        """Whether an action that names the device arrived after the search."""
        return any(position > search.searched for (position,) in self._all(cursor, _ACTED, device))

    def _search(self, cursor: Any, **why: Any) -> Search:
        (searched, deliveries), names = self._all(cursor, _ENDS, ())[0], tuple(sorted(why.pop("names", ())))
        return Search(searched, deliveries, names, **why)

    def _since(self, before: Search) -> Erasable:
        """What arrived since a search by its criteria. Nothing for a search by age."""
        if before.aged is not None:
            return Erasable(search=before)
        with self._transactions.reading() as cursor:
            if before.user is not None:
                return self._of_user(cursor, before.user, before.names, before)
            search = self._search(cursor, names=before.names)
            return self._with_devices(cursor, self._closed(cursor, [], before.names, before), search)

    def _of_user(self, cursor: Any, user: str, names: Sequence[str], behind: Search) -> Erasable:
        ends = self._search(cursor)
        found = self._closed(cursor, self._all(cursor, _OF_USER, (user,)), names, behind)
        named = [row for _, stream in found.streams for row in self._all(cursor, _NAMES, (stream,))]
        sessions = {row[2] for row in named if row[1].startswith("ses_")} - {*names}
        more = self._closed(cursor, found.streams, sessions) if sessions else Erasable()
        loose = [*found.loose, *more.loose]
        whole = Erasable([*found.streams, *more.streams], loose, [*found.rejections, *more.rejections])
        search = msgspec.structs.replace(ends, user=user, names=tuple(sorted({*names, *sessions})))
        return self._with_devices(cursor, _unique(whole), search)

    def _closed(
        self, cursor: Any, streams: Sequence[Row], names: Iterable[str], behind: Search = _FROM_THE_START
    ) -> Erasable:
        """The streams, and everything whose stored body contains one of the names as a JSON string."""
        found = Erasable([tuple(row) for row in streams])
        needles = sorted({needle for name in names for needle in _needles(name)})
        for start in range(0, len(needles), _NEEDLES):
            some = needles[start : start + _NEEDLES]
            held = " OR ".join([self._dialect.contains("p.body")] * len(some))
            bodies = self._all(cursor, _BODIES.format(held), [behind.searched, *some])
            for source, stream, position in bodies:
                _add(found, source, stream, position)
            kept = self._all(cursor, _KEPT.format(held), [behind.deliveries, *some])
            for source, stream, position, verdict, delivery in kept:
                if verdict == "rejected":
                    found.rejections.append((source, delivery))
                else:
                    _add(found, source, stream, position)
        return _unique(found)

    def _with_devices(self, cursor: Any, found: Erasable, search: Search) -> Erasable:
        """Adds devices that only erased actions name."""
        gone, devices = set(found.streams), list[Row]()
        for action in [stream for stream in found.streams if stream[1].startswith("act_")]:
            for device in map(tuple, self._all(cursor, _DEVICES, action)):
                if device not in gone and all(tuple(other) in gone for other in self._all(cursor, _ACTIONS, device)):
                    devices.append(device)
        found.streams += devices
        found.search = msgspec.structs.replace(search, devices=tuple(devices))
        return _unique(found)

    def _all(self, cursor: Any, sql: str, values: Sequence[Any]) -> list[Any]:
        by = self._dialect.using("ix_events_source_opened_position")
        return [tuple(row) for row in self._dialect.run(cursor, sql.replace("{by}", by), *values).fetchall()]


def _needles(name: str) -> set[bytes]:
    """The forms of a name in JSON: plain or ASCII, hex digits in either case, slashes escaped or not."""
    plain, ascii_ = (json.dumps(name, ensure_ascii=only) for only in (False, True))
    written = {plain, ascii_, _ESCAPE.sub(lambda one: f"\\u{one[1].upper()}", ascii_)}
    return {text.encode("utf-8", "replace") for one in written for text in (one, one.replace("/", "\\/"))}


def _add(found: Erasable, source: str, stream: str | None, position: int) -> None:
    if stream is None:
        found.loose.append((source, position))
    else:
        found.streams.append((source, stream))


def _unique(found: Erasable) -> Erasable:
    streams, loose, rejections = (list(dict.fromkeys(rows)) for rows in (found.streams, found.loose, found.rejections))
    return Erasable(streams, loose, rejections, found.search)


def _size(found: Erasable) -> int:
    return len(found.streams) + len(found.loose) + len(found.rejections)


def _parts(found: Erasable) -> Iterator[Erasable]:
    why = found.search
    for start in range(0, len(found.streams), PART):
        yield Erasable(streams=found.streams[start : start + PART], search=why)
    for start in range(0, max(len(found.loose), len(found.rejections)), PART):
        loose, rejections = found.loose[start : start + PART], found.rejections[start : start + PART]
        yield Erasable(loose=loose, rejections=rejections, search=why)
