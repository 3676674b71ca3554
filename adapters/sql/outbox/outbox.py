"""Takes deliveries that are due, in the order of each lane, and records the outcome of each attempt.

A lane is a stream, or a single event of no stream. Only the oldest delivery of a lane is attempted. A turn that finds
another one due parks it (`due` is null). A turn that settles the oldest one makes the next one due. A new row is due at
once, whatever is before it, so the append need not look, and nothing waits for an append. No statement reads more rows
than it takes.

The turns of a source follow one another. Of two concurrent turns, one could settle the oldest row of a lane and find no
row after it, while the other parks the next one: nothing would make that row due again.
"""

from collections.abc import Sequence
from threading import Lock
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.facts import paused_name
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Lookup, Row
from core.event import SECOND, Headers, Instant
from core.header_codec import unpack
from core.headers import from_lines

PAGE = 64
"""The most rows examined in one transaction."""

FARTHEST: Instant = 2 * 3_600 * SECOND
"""Longer than any pause between attempts. A row due later was written while the clock was ahead, so it is due now."""

_THIS = "WHERE source = ? AND position = ? AND due = ? AND holder = ?"
_DELIVERED = f"DELETE FROM relays {_THIS}"
_TRIED = (
    "holder = NULL, attempts = attempts + 1, first_at = coalesce(first_at, ?), last_at = ?, status = ?, failure = ?"
)
_LATER = f"UPDATE relays SET due = ?, {_TRIED} {_THIS}"
_DEAD = f"UPDATE relays SET due = NULL, dead_at = ?, {_TRIED} {_THIS}"
_NEXT = (
    "UPDATE relays SET due = ? WHERE source = ? AND holder IS NULL AND position = (SELECT position FROM relays{} "
    "WHERE source = ? AND lane = ? AND dead_at IS NULL ORDER BY position LIMIT 1)"
)
"""Ignores `due`, because a concurrent parking of the row may not be committed yet; the update waits for it."""
_PAUSED = "SELECT 1 FROM service WHERE name = ?"
_DUE = "(SELECT {}(due) FROM relays WHERE source = ? AND due IS NOT NULL)"
_FIRST_AND_LAST_DUE = f"SELECT {_DUE.format('min')}, {_DUE.format('max')}"
_TAKE = "SELECT position, lane, target, attempts, first_at FROM relays WHERE source = ? AND due "
_DUE_BY_NOW = f"{_TAKE} <= ? ORDER BY due LIMIT ?"
_DUE_TOO_LATE = f"{_TAKE} > ? ORDER BY due DESC LIMIT ?"
_BEHIND = Lookup(
    "t.position",
    tables.relays,
    ("source", "position"),
    " AND EXISTS (SELECT 1 FROM relays e WHERE e.source = t.source AND e.lane = t.lane AND e.position < t.position "
    "AND e.dead_at IS NULL)",
    unique=True,
)
_PARK = "UPDATE relays SET due = NULL, holder = NULL WHERE source = ? AND position = ?"
_HOLD = "UPDATE relays SET due = ?, holder = ? WHERE source = ? AND position = ?"
_EVENTS = Lookup(
    "t.position, t.type, t.key, p.headers, p.body",
    tables.events,
    ("source", "position"),
    " JOIN payloads p ON p.source = t.source AND p.position = t.position WHERE t.position > 0",
)
_RELEASE = "UPDATE relays SET due = ?, holder = NULL WHERE holder = ?"


class HeldRelay(msgspec.Struct, gc=False):
    """A row of `relays`, leased to this process until `until`.

    `attempts` counts the earlier attempts, `first_at` is when the first of them was made. `target` is the path and
    query that are appended to the handler's URL. `body` is None if it was erased.
    """

    source: str
    position: int
    lane: str
    target: str
    attempts: int
    first_at: Instant | None
    until: Instant
    type: str | None = None
    key: bytes = b""
    headers: Headers = []
    body: bytes | None = None


class Settled(NamedTuple):
    """The outcome of an attempt. `again` is when the next one is due; None if it was delivered or is `dead`."""

    held: HeldRelay
    at: Instant
    again: Instant | None = None
    dead: bool = False
    status: int | None = None
    failure: str | None = None


class Turn(NamedTuple):
    """The deliveries taken, and when to query again; None: when something is appended or settled."""

    taken: list[HeldRelay]
    next_at: Instant | None


class Outbox:
    """The outbox of one process, which is `holder`. Thread-safe. Every method raises Unavailable."""

    def __init__(self, engine: Engine, holder: str) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._holder = holder
        self._releasing = Lock()
        self._released = False

    def release(self, now: Instant) -> None:
        """Releases the leases of this process's dead predecessor, which had the same name.

        Only the first call does so, since later leases are our own.
        """
        with self._releasing:
            if not self._released:
                with self._transactions.beside() as cursor:
                    self._dialect.run(cursor, _RELEASE, now, self._holder)
                self._released = True

    def turn(self, source: str, settled: Sequence[Settled], room: int, now: Instant, until: Instant) -> Turn:
        """Settles attempts and takes up to `room` deliveries, leased until `until`, in one short transaction."""
        with self._transactions.reading() as cursor:
            first = self._first_due(cursor, source, now, until)
            paused = self._dialect.run(cursor, _PAUSED, paused_name(source)).fetchone()
        takes = min(room, PAGE) if paused is None else 0
        if not settled and (not takes or first is None or first > now):
            return Turn([], first if paused is None else None)
        with self._transactions.beside() as cursor:
            self._dialect.alone_with(cursor, source)
            for one in settled:
                self._settle(cursor, one, now)
            taken = self._take(cursor, source, takes, now, until) if takes else []
            first = self._first_due(cursor, source, now, until)
        return Turn(taken, first if paused is None else None)

    def _settle(self, cursor: Any, one: Settled, now: Instant) -> None:
        held = one.held
        this = (held.source, held.position, held.until, self._holder)
        tried = (one.at, one.at, one.status, one.failure)
        if one.again is not None:
            self._dialect.run(cursor, _LATER, one.again, *tried, *this)
            return
        if one.dead:
            self._dialect.run(cursor, _DEAD, now, *tried, *this)
        else:
            self._dialect.run(cursor, _DELIVERED, *this)
        by = self._dialect.using("ix_relays_lane")
        self._dialect.run(cursor, _NEXT.format(by), now, held.source, held.source, held.lane)

    def _take(self, cursor: Any, source: str, most: int, now: Instant, until: Instant) -> list[HeldRelay]:
        rows = self._due(cursor, _DUE_BY_NOW, source, now, most)
        if len(rows) < most:
            rows += self._due(cursor, _DUE_TOO_LATE, source, _farthest(now, until), most - len(rows))
        if not rows:
            return []
        keys = [(source, row[0]) for row in rows]
        behind = {position for (position,) in self._dialect.lookup(cursor, _BEHIND, keys)}
        taken = [_held(source, row, until) for row in rows if row[0] not in behind]
        for position in behind:
            self._dialect.run(cursor, _PARK, source, position)
        for one in taken:
            self._dialect.run(cursor, _HOLD, until, self._holder, source, one.position)
        self._load(cursor, taken)
        return taken

    def _load(self, cursor: Any, taken: Sequence[HeldRelay]) -> None:
        if not taken:
            return
        by_position = {one.position: one for one in taken}
        keys = [(one.source, one.position) for one in taken]
        for position, kind, key, headers, body in self._dialect.lookup(cursor, _EVENTS, keys):
            one = by_position[position]
            one.type, one.key, one.body = kind, bytes(key), body if body is None else bytes(body)
            one.headers = [] if headers is None else from_lines(unpack(bytes(headers)))

    def _due(self, cursor: Any, sql: str, source: str, at: Instant, most: int) -> list[Row]:
        return list(self._dialect.run(cursor, sql + self._dialect.skip_locked, source, at, most).fetchall())

    def _first_due(self, cursor: Any, source: str, now: Instant, until: Instant) -> Instant | None:
        first, last = self._dialect.run(cursor, _FIRST_AND_LAST_DUE, source, source).fetchone()
        return now if last is not None and last > _farthest(now, until) else first


def _farthest(now: Instant, until: Instant) -> Instant:
    return max(now + FARTHEST, until)


def _held(source: str, row: Row, until: Instant) -> HeldRelay:
    position, lane, target, attempts, first_at = row
    return HeldRelay(source, position, lane, target, attempts, first_at, until)
