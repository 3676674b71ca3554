"""Rereads bodies that could not be read when they came: they become new events beside the old ones, which stay."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database import tables
from adapters.sql.database.joins import WITH_PAYLOAD, head_of
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Lookup, Row
from adapters.sql.log.entries import Entry
from adapters.sql.log.log import Log
from adapters.sql.log.own_events import OWN, Recorder
from adapters.sql.log.seal import seal
from adapters.sql.projections.projection import Source
from core.event import Unreadable
from core.header_codec import unpack
from core.headers import from_lines
from core.ids import Ids

CHUNK = 200

Receive = Callable[[Entry], Entry]
"""Gives an entry the idempotency key that it would get today."""

_UNREAD = (
    "SELECT e.position, e.key, e.received_at, e.verified_by, p.headers, p.body "
    f"FROM events e{{}} {WITH_PAYLOAD} "
    "WHERE e.source = ? AND e.opened IS NULL AND e.position > ? AND e.position <= ? AND p.body IS NOT NULL "
    "ORDER BY e.position LIMIT ?"
)
_WHOLE = (
    "SELECT (SELECT count(*) FROM payloads WHERE source = ? AND position = ? AND body IS NOT NULL), "
    "(SELECT max(position) FROM events)"
)
_HELD = Lookup("t.source, t.key", tables.events, ("source", "key"))


class _Erased(Exception):
    """The body was erased meanwhile: nothing is appended."""


class Reread(msgspec.Struct):
    """The result: how many events belonged to no stream, and old position -> new position of those read now."""

    looked_at: int = 0
    read: dict[int, int] = {}


class Rereader:
    """Rereads and appends through this process's log."""

    def __init__(
        self, engine: Engine, ids: Ids, sources: Mapping[str, Source], receive: Receive, log: Log, recorder: Recorder
    ) -> None:
        self._transactions = Transactions(engine)
        self._ids = ids
        self._sources = sources
        self._receive = receive
        self._log = log
        self._recorder = recorder

    def reread(self, source: str | None = None) -> Reread:
        """Appends what can be read now, once, and an event of ours that records it.

        A new event has the old body, headers and arrival, and the key that it would get today.
        """
        found = Reread()
        for name in [source] if source else [name for name in self._sources if name != OWN]:
            for rows in self._unread(name):
                found.looked_at += len(rows)
                appended = {at: self._appended(name, at, entry) for at, entry in self._readable(name, rows)}
                new = {at: position for at, position in appended.items() if position is not None}
                if new:
                    self._log.append([self._recorder.entry("reread", source=name, positions=list(new.items()))])
                    found.read |= new
        return found

    def _appended(self, source: str, at: int, entry: Entry) -> int | None:
        """The new event's position; None if its key is taken or the body at position `at` was erased meanwhile."""

        def is_new(cursor: Any, position: int) -> bool:
            whole, last = self._transactions.dialect.run(cursor, _WHOLE, source, at).fetchone()
            if not whole:
                raise _Erased
            return bool(last == position)

        try:
            position, new = self._log.append_with(entry, is_new)
        except _Erased:
            return None
        return position if new else None

    def _unread(self, source: str) -> Iterator[list[Row]]:
        """The events of no stream, a chunk at a time, up to the log's present end."""
        dialect, after = self._transactions.dialect, 0
        sql = _UNREAD.format(dialect.using("ix_events_source_opened_position"))
        with self._transactions.reading() as cursor:
            until = head_of(cursor)
        while rows := self._transactions.rows(sql, source, after, until, CHUNK):
            yield rows
            after = rows[-1][0]

    def _readable(self, source: str, rows: list[Row]) -> list[tuple[int, Entry]]:
        made = [(position, self._entry(source, key, *rest)) for position, key, *rest in rows]
        read = [(position, entry, entry.sealed.key) for position, entry in made if entry and entry.sealed]
        if not read:
            return []
        with self._transactions.reading() as cursor:
            held = set(self._transactions.dialect.lookup(cursor, _HELD, [(source, key) for _, _, key in read]))
        return [(position, entry) for position, entry, key in read if (source, key) not in held]

    def _entry(
        self, source: str, held: bytes, received_at: int, verified_by: str | None, headers: bytes, body: bytes
    ) -> Entry | None:
        reading = self._sources[source].read(None, body)
        if isinstance(reading, Unreadable) or not reading.provider_id:
            return None
        entry = self._receive(Entry(source, received_at, from_lines(unpack(headers)), body, verified_by, b"", reading))
        entry.sealed = seal(self._ids, entry)
        if entry.sealed.key == held:  # the unreadable event had the same identity and keeps the key
            entry.identity = b"reread:" + held
            entry.sealed = seal(self._ids, entry)
        return entry
