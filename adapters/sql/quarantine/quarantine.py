"""Verifies stored rejections again after a secret was corrected, and appends the valid ones as received."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database.delivery_numbers import HOLD_DELIVERY
from adapters.sql.database.transactions import Transactions
from adapters.sql.log.entries import Entry
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import Recorder
from core.event import Headers, Instant
from core.header_codec import unpack
from core.headers import from_lines

CHUNK = 100
UNAUTHENTIC = 401

_KEPT = (
    "SELECT delivery, coalesce(reason, ''), received_at, size, headers, body FROM deliveries "
    "WHERE source = ? AND verdict = 'rejected' "
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
"""Maps source, headers, body and time of receipt to an entry; None if the signature is still invalid."""


class _GoneError(Exception):
    """The rejection was released, pruned or erased meanwhile, so nothing is appended."""


class ReleaseCounts(msgspec.Struct):
    """The outcomes of rejections. `cut`: stored partly, so that they cannot be verified.

    `new` became events; `known` are those whose events exist already, because their senders retried.
    """

    looked_at: int = 0
    cut: int = 0
    new: int = 0
    known: int = 0


class Released(ReleaseCounts):
    """The same for all rejections of a source, and by the code of their rejection."""

    reasons: dict[str, ReleaseCounts] = {}

    def count(self, reason: str, what: str) -> None:
        """Adds one to a count."""
        for counts in (self, self.reasons.setdefault(reason, ReleaseCounts())):
            setattr(counts, what, getattr(counts, what) + 1)


class Quarantine:
    """The quarantine of one command. `log` is this process's."""

    def __init__(self, engine: Engine, log: Log, recorder: Recorder, receive: Receive) -> None:
        self._transactions = Transactions(engine)
        self._log = log
        self._recorder = recorder
        self._receive = receive

    def release(self, source: str, *, dry_run: bool = False) -> Released:
        """Appends what is valid now, the oldest first, one transaction each, so that a killed release can be repeated.

        Raises Unavailable.
        """
        found = Released()
        try:
            for delivery, reason, entry in self._verified(source, found):
                became = "new" if dry_run else self._take(source, delivery, entry)
                if became is not None:
                    found.count(reason, became)
        finally:  # what was taken is on record also where somebody ends the rest
            if found.new and not dry_run:
                self._recorder.record("released", source=source, **msgspec.to_builtins(found))
        return found

    def _verified(self, source: str, found: Released) -> Iterator[tuple[int, str, Entry]]:
        last = 0
        while rows := self._transactions.rows(_KEPT, source, last):
            for delivery, reason, received_at, size, headers, body in rows:
                last = delivery
                found.count(reason, "looked_at")
                if body is None or headers is None or len(body) != size:
                    found.count(reason, "cut")
                    continue
                entry = self._receive(source, from_lines(unpack(bytes(headers))), bytes(body), received_at)
                if entry is not None:
                    yield delivery, reason, entry

    def _take(self, source: str, delivery: int, entry: Entry) -> str | None:
        """What it became: `new`, `known`, or None if it no longer exists."""

        def settle(cursor: Any, position: int) -> bool:
            run = partial(self._transactions.dialect.run, cursor)
            rejection = (source, delivery, entry.received_at)
            run(_COUNT, *rejection)
            if not run(_REMOVE, *rejection).fetchall():
                raise _GoneError
            run(HOLD_DELIVERY, str(delivery))
            return bool(run(_ARRIVED, source, position).fetchone()[0] == entry.received_at)

        try:
            _, is_new = self._log.append_with(entry, settle)
        except _GoneError:
            return None
        return "new" if is_new else "known"
