"""Reads a part of a long stream: events between two of its prefixes, as they are now."""

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection

from adapters.sql.dialects.dialect import Row, dialect_of
from adapters.sql.queries import parts
from adapters.sql.queries.as_of import StreamRow
from adapters.sql.queries.streams import Measured, Projected
from core.folding import fold

MOST = 20_000
"""The most events of a part. If there are more, the whole stream is read."""

ALL = 1 << 62
"""After every position."""

_others = msgspec.msgpack.Decoder(list[int])


def others_in(stored: bytes) -> list[int]:
    """The positions in a row's column `others`."""
    return _others.decode(bytes(stored))


class StoredPrefix(NamedTuple):
    """A row of `prefixes`."""

    position: int
    last: int
    others: bytes
    snapshot: bytes

    def held(self) -> frozenset[int]:
        """The positions of the later events that it contains."""
        return frozenset(others_in(self.others))


class StoredPart(NamedTuple):
    """A part as stored: the prefixes on both sides (None: the beginning or end of the stream) and its events.

    `rows` are the arguments of `arrival_of`: all events up to the position `upto` and a few later ones. `before` is the
    row of the first prefix's last event. `doubled` holds the positions of events that were delivered more than once.
    """

    named: StreamRow
    first: StoredPrefix | None
    until: StoredPrefix | None
    upto: int
    rows: list[Sequence[Any]]
    before: Row | None
    doubled: frozenset[int]


class PartReader:
    """Reads parts of one stream at present, from one snapshot of the database."""

    def __init__(self, connection: Connection, row: Projected | Measured) -> None:
        self._connection = connection
        self._row = row
        self._dialect = dialect_of(connection.engine)
        self._own = (row.source, row.stream, row.fingerprint)

    def newest(self, most: int, before: int = ALL) -> list[tuple[int, int]]:
        """(position, run) of the last `most` prefixes before a position."""
        return [(position, run) for position, run in self._asked(parts.NEWEST, *self._own, before, most)]

    def read(self, before: int, until: int | None, most: int) -> StoredPart | None:
        """Reads from the longest prefix before a position to the first one from `until` on, or over `most` events.

        None if the whole stream is needed: it waits to be folded, some of it is not folded, it has changed since its
        row was read, or the part is too long.
        """
        named = self._named()
        if named is None:
            return None
        start = self._last_before(before)
        above, held = (0, frozenset[int]()) if start is None else (start.position, start.held())
        until = self._following(named, above, most) if until is None else until
        end = None if until is None else self._first_from(until)
        upto, others = self._bounds(end)
        rows = [row for row in self._rows(named, above, upto, others, MOST + len(held) + 1) if row[0] not in held]
        if len(rows) > MOST:
            return None
        last = None if start is None else self._rows_at([start.last])[0]
        return StoredPart(named, start, end, upto, [told for *told, _ in rows], last and last[:-1], _doubled(rows))

    def _named(self) -> StreamRow | None:
        """The stream, if it is completely folded and nothing of it was erased or retracted."""
        for *told, position, conflicts, snapshot, waits, gone, back in self._asked(parts.STREAM, *self._own):
            if self._is_current(position, conflicts, snapshot) and not (waits or gone or back):
                return StreamRow(self._row.source, self._row.stream, *told)
        return None

    def _following(self, named: StreamRow, above: int, most: int) -> int | None:
        """The position of the event after `most` others; None if there are fewer."""
        found = self._asked(self._by_stream(parts.FOLLOWING), named.source, named.opened, above, most)
        return next((position for (position,) in found), None)

    def _is_current(self, position: int, _conflicts: str, _snapshot: bytes) -> bool:
        """Whether the stream is unchanged since its row was read, so that its prefixes cover the same events."""
        return bool(position == fold.decode(fold.MACHINES[self._row.machine], self._row.snapshot).position)

    def _last_before(self, position: int) -> StoredPrefix | None:
        return self._prefix(parts.LAST_BEFORE, position)

    def _first_from(self, position: int) -> StoredPrefix | None:
        return self._prefix(parts.FIRST_FROM, position)

    def _prefix(self, sql: str, position: int) -> StoredPrefix | None:
        found = self._asked(sql, *self._own, position)
        return next((StoredPrefix(at, last, bytes(held), bytes(state)) for at, last, held, state in found), None)

    def _bounds(self, end: StoredPrefix | None) -> tuple[int, Collection[int]]:
        """The position up to which all events are read, and the positions of further ones."""
        return (ALL, ()) if end is None else (end.position, end.held())

    def _rows(self, named: StreamRow, above: int, upto: int, others: Collection[int], most: int) -> list[Row]:
        """The events after `above` up to `upto`, at most `most`, and those at `others`."""
        place = (named.source, named.opened, named.stream)
        rows = self._asked(self._by_stream(parts.PART), *place, above, upto, most)
        return [*rows, *self._rows_at(sorted(others))]

    def _rows_at(self, positions: Sequence[int]) -> list[Row]:
        if not positions:
            return []
        cursor, keys = self._connection.connection.cursor(), [(self._row.source, at) for at in positions]
        found = self._dialect.lookup(cursor, parts.EVENTS_AT, keys)  # which may give a row twice
        return list({row[0]: row for row in found}.values())

    def _by_stream(self, sql: str) -> str:
        return sql.replace("{by_stream}", self._dialect.using(parts.BY_STREAM))

    def _asked(self, sql: str, *given: Any) -> list[Row]:
        return [tuple(row) for row in self._connection.exec_driver_sql(sql.replace("?", self._dialect.mark), given)]


def _doubled(rows: Sequence[Row]) -> frozenset[int]:
    return frozenset(row[0] for row in rows if row[-1])
