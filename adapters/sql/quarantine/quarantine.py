"""Rejections that a corrected secret would have let in: verified again, and taken into the log as they came."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database.transactions import Transactions
from adapters.sql.log.delivery_numbers import HOLD_DELIVERY
from adapters.sql.log.entries import Entry
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from core.event import Headers, Instant
from core.header_codec import unpack
from core.headers import from_lines

CHUNK = 100
UNAUTHENTIC = 401

_KEPT = (
    "SELECT delivery, received_at, size, headers, body FROM deliveries WHERE source = ? AND verdict = 'rejected' "
    f"AND delivery > ? AND status = {UNAUTHENTIC} ORDER BY delivery LIMIT {CHUNK}"
)
_COUNT = (
    "INSERT INTO rejections (source, reason, times, first_at, last_at) "
    "SELECT source, coalesce(reason, ''), 1, received_at, received_at FROM deliveries "
    "WHERE source = ? AND delivery = ? AND received_at = ? AND verdict = 'rejected' "
    "ON CONFLICT (source, reason) DO UPDATE SET times = rejections.times + 1, "
    "first_at = CASE WHEN excluded.first_at < rejections.first_at THEN excluded.first_at ELSE rejections.first_at END, "
    "last_at = CASE WHEN excluded.last_at > rejections.last_at THEN excluded.last_at ELSE rejections.last_at END"
)
_REMOVE = (
    "DELETE FROM deliveries WHERE source = ? AND delivery = ? AND received_at = ? AND verdict = 'rejected' "
    "RETURNING delivery"
)
_ARRIVED = "SELECT received_at FROM events WHERE source = ? AND position = ?"

Receive = Callable[[str, Headers, bytes, Instant], Entry | None]
"""(source, headers, body, when it came) -> the entry that it would have been; None where it still does not verify."""


class _GoneError(Exception):
    """Somebody else took it, or it was pruned or erased meanwhile: nothing is appended."""


class Released(msgspec.Struct):
    """What came of a source's rejections. `cut`: kept in part, so that nobody can verify them.

    `new`: events that they are now; `known`: those whose events are there already, as their senders tried again.
    """

    looked_at: int = 0
    cut: int = 0
    new: int = 0
    known: int = 0


class Quarantine:
    """Of one command. `log`: of this process."""

    def __init__(self, engine: Engine, log: Log, recorder: Recorder, receive: Receive) -> None:
        self._transactions = Transactions(engine)
        self._mark = self._transactions.dialect.mark
        self._log = log
        self._recorder = recorder
        self._receive = receive

    def release(self, source: str, *, dry_run: bool = False) -> Released:
        """Takes what verifies now, the oldest first. Each goes in one transaction: a release that is killed goes on.

        Raises Unavailable.
        """
        found = Released()
        for delivery, entry in self._verified(source, found):
            if dry_run:
                found.new += 1
            else:
                self._take(source, delivery, entry, found)
        if found.new and not dry_run:
            self._recorder.record("released", source=source, **msgspec.structs.asdict(found))
        return found

    def _verified(self, source: str, found: Released) -> Iterator[tuple[int, Entry]]:
        last = 0
        while rows := self._rows(source, last):
            for delivery, received_at, size, headers, body in rows:
                last = delivery
                found.looked_at += 1
                if body is None or headers is None or len(body) != size:
                    found.cut += 1
                    continue
                entry = self._receive(source, from_lines(unpack(bytes(headers))), bytes(body), received_at)
                if entry is not None:
                    yield delivery, entry

    def _rows(self, source: str, last: int) -> list[Any]:
        with self._transactions.reading() as cursor:
            self._run(cursor, _KEPT, source, last)
            return list(cursor.fetchall())

    def _take(self, source: str, delivery: int, entry: Entry, found: Released) -> None:
        def settle(cursor: Any, position: int) -> bool:
            rejection = (source, delivery, entry.received_at)
            self._run(cursor, _COUNT, *rejection)
            self._run(cursor, _REMOVE, *rejection)
            if not cursor.fetchall():
                raise _GoneError
            self._run(cursor, HOLD_DELIVERY, str(delivery))
            self._run(cursor, _ARRIVED, source, position)
            return bool(cursor.fetchone()[0] == entry.received_at)

        try:
            _, is_new = self._log.append_with(entry, settle)
        except _GoneError:
            return
        if is_new:
            found.new += 1
        else:
            found.known += 1

    def _run(self, cursor: Any, sql: str, *values: Any) -> None:
        cursor.execute(sql.replace("?", self._mark), values)
