"""Dirty streams, which a version has yet to fold. Marked in the append's transaction, cleared in the fold's.

Long streams are folded in the background (`background.py`), the others on demand under the append lock.
"""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row

MARKS = Insert(
    tables.unfolded,
    " ON CONFLICT (source, stream, version) DO UPDATE SET token = excluded.token, error = excluded.error",
    without=("beside",),
)
"""The position of the first mark stays, since the stream waits from there. So does `beside`."""

AT_ONCE = 250
"""The most events of a stream that are refolded while appends wait: a few milliseconds."""

WHOLE = 1 << 28
"""Added to `beside` if more than new events may have changed: the stream is folded from its first event."""

CLAIMED = 1 << 30
"""Added to `beside` while the stream's rows are written in pieces. Each piece adds 1."""

_MARKED = Lookup("t.source, t.stream, t.version", tables.unfolded, ("source", "stream", "version"))
_CLEAR = "DELETE FROM unfolded WHERE source = ? AND stream = ? AND version = ?"
_CLEAR_OLD = f"{_CLEAR} AND token = ?"
_WAITING = (
    "SELECT u.source, u.stream, s.kind, s.provider_id, s.opened, u.version, u.token FROM unfolded u "
    "JOIN streams s ON s.source = u.source AND s.stream = u.stream "
    "WHERE u.version = ? AND u.error IS NULL AND u.beside {} ORDER BY u.position LIMIT ?"
)
_LEAVE = "UPDATE unfolded SET beside = ? WHERE source = ? AND stream = ? AND version = ? AND beside = 0"
_COUNT_CONFLICT = "UPDATE unfolded SET beside = beside + 1 WHERE source = ? AND stream = ? AND beside > 0"
_MOVE = "UPDATE unfolded SET position = ?, beside = 1 WHERE source = ? AND stream = ? AND version = ?"
_CLAIM = "UPDATE unfolded SET beside = ? WHERE source = ? AND stream = ? AND version = ?"
_LONG = "SELECT 1 FROM events{} WHERE source = ? AND opened = ? AND stream = ? AND position > 0 LIMIT 1 OFFSET ?"

_COUNT = "SELECT count(*) FROM unfolded WHERE version = ?"
_OLDEST = "SELECT min(position) FROM unfolded WHERE version = ?"
_FAILED = "SELECT count(*) FROM unfolded WHERE version = ? AND error IS NOT NULL"


class DirtyStream(msgspec.Struct, frozen=True, gc=False):
    """A stream that a version has to fold. `token` is that of its mark; 0 without one."""

    source: str
    stream: str
    kind: str
    provider_id: str
    opened: int
    version: str
    token: int = 0

    @property
    def key(self) -> Row:
        """The primary key of its row and of its mark."""
        return self.source, self.stream, self.version


def mark_dirty(
    cursor: Any, dialect: Dialect, streams: Sequence[tuple[str, str, str, int]], error: str | None = None
) -> None:
    """Marks each (source, stream, version, position). With an error they wait for new code or a new event."""
    token = int.from_bytes(os.urandom(7))
    dialect.insert(cursor, MARKS, [(*one, token, error) for one in streams])


def dirty_among(cursor: Any, dialect: Dialect, keys: Sequence[Row]) -> set[Row]:
    """The dirty ones among these (source, stream, version)."""
    return set(dialect.lookup(cursor, _MARKED, keys))


def waiting(cursor: Any, dialect: Dialect, version: str, limit: int) -> list[DirtyStream]:
    """A version's marked streams, the longest waiting first.

    Without those that this code failed to fold, and those that are folded in the background.
    """
    return _waiting(cursor, dialect, version, limit, "= 0")


def waiting_beside(cursor: Any, dialect: Dialect, version: str, limit: int) -> list[DirtyStream]:
    """The streams that are folded in the background."""
    return _waiting(cursor, dialect, version, limit, "> 0")


def _waiting(cursor: Any, dialect: Dialect, version: str, limit: int, beside: str) -> list[DirtyStream]:
    return [DirtyStream(*row) for row in dialect.run(cursor, _WAITING.format(beside), version, limit).fetchall()]


def is_long(cursor: Any, dialect: Dialect, source: str, opened: int, stream: str) -> bool:
    """Whether a stream has too many events to be folded under the append lock."""
    asked = _LONG.format(dialect.using("ix_events_source_opened_position"))
    return dialect.run(cursor, asked, source, opened, stream, AT_ONCE).fetchone() is not None


def leave_beside(cursor: Any, dialect: Dialect, stream: Row, position: int, *, whole: bool) -> None:
    """Marks a long (source, stream, version) whose row lacks the event at `position`.

    `whole`: the row may be out of date for other reasons too.
    """
    mark_dirty(cursor, dialect, [(*stream, position)])
    dialect.run(cursor, _LEAVE, 1 + whole * WHOLE, *stream)


def claim(cursor: Any, dialect: Dialect, stream: Row, beside: int) -> int:
    """Claims the rows of a (source, stream, version) whose mark has this `beside`; returns the new `beside`."""
    claimed = beside + 1 if beside & CLAIMED else beside + CLAIMED
    dialect.run(cursor, _CLAIM, claimed, *stream)
    return claimed


def count_conflict(cursor: Any, dialect: Dialect, source: str, stream: str) -> None:
    """Counts a conflict in the mark for the background fold: no event records it, and deliveries are pruned."""
    dialect.run(cursor, _COUNT_CONFLICT, source, stream)


def still_lacks(cursor: Any, dialect: Dialect, stream: Row, position: int) -> None:
    """Moves a mark to the first event, at `position`, that the row still lacks."""
    dialect.run(cursor, _MOVE, position, *stream)


def any_dirty(cursor: Any, dialect: Dialect, versions: Sequence[str]) -> bool:
    """Whether a stream is waiting (see `waiting`) in one of the versions."""
    where = f"version IN ({', '.join('?' for _ in versions)}) AND error IS NULL AND beside = 0"
    return dialect.run(cursor, f"SELECT 1 FROM unfolded WHERE {where} LIMIT 1", *versions).fetchone() is not None


def first_left_beside(cursor: Any, dialect: Dialect, versions: Sequence[str]) -> int | None:
    """The position of the first event that a long stream lacks in one of the versions; None if none does."""
    where = f"version IN ({', '.join('?' for _ in versions)}) AND error IS NULL AND beside > 0"
    position: int | None = dialect.run(
        cursor, f"SELECT min(position) FROM unfolded WHERE {where}", *versions
    ).fetchone()[0]
    return position


def count(cursor: Any, dialect: Dialect, version: str) -> int:
    """How many streams are marked for a version."""
    return int(dialect.run(cursor, _COUNT, version).fetchone()[0])


def oldest(cursor: Any, dialect: Dialect, version: str) -> int | None:
    """The position of a version's oldest mark."""
    position: int | None = dialect.run(cursor, _OLDEST, version).fetchone()[0]
    return position


def count_failed(cursor: Any, dialect: Dialect, version: str) -> int:
    """How many streams this version's code failed to fold."""
    return int(dialect.run(cursor, _FAILED, version).fetchone()[0])


def clear(cursor: Any, dialect: Dialect, streams: Sequence[DirtyStream]) -> None:
    """Clears the marks, except those set again since the streams were read."""
    for one in streams:
        key = (one.source, one.stream, one.version)
        if one.token:
            dialect.run(cursor, _CLEAR_OLD, *key, one.token)
        else:
            dialect.run(cursor, _CLEAR, *key)
