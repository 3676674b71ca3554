"""Dirty streams: those a version has yet to fold. Marked in the append's transaction, cleared in the fold's."""

import os
from collections.abc import Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert, Lookup, Row

MARKS = Insert(
    tables.unfolded,
    " ON CONFLICT (source, stream, version) DO UPDATE SET token = excluded.token, error = excluded.error",
)
"""The position of the first mark stays: it tells since when the stream waits."""

_MARKED = Lookup("t.source, t.stream, t.version", tables.unfolded, ("source", "stream", "version"))
_CLEAR = "DELETE FROM unfolded WHERE source = ? AND stream = ? AND version = ?"
_CLEAR_OLD = f"{_CLEAR} AND token = ?"
_WAITING = (
    "SELECT u.source, u.stream, s.kind, s.provider_id, s.opened, u.version, u.token FROM unfolded u "
    "JOIN streams s ON s.source = u.source AND s.stream = u.stream "
    "WHERE u.version = ? AND u.error IS NULL ORDER BY u.position LIMIT ?"
)

_COUNT = "SELECT count(*) FROM unfolded WHERE version = ?"
_OLDEST = "SELECT min(position) FROM unfolded WHERE version = ?"
_FAILED = "SELECT count(*) FROM unfolded WHERE version = ? AND error IS NOT NULL"


class DirtyStream(msgspec.Struct, frozen=True, gc=False):
    """A stream that a version has to fold. `token` is that of its mark; 0 where it has none."""

    source: str
    stream: str
    kind: str
    provider_id: str
    opened: int
    version: str
    token: int = 0


def mark_dirty(
    cursor: Any, dialect: Dialect, streams: Sequence[tuple[str, str, str, int]], error: str | None = None
) -> None:
    """Marks (source, stream, version, position); with an error they wait for other code, or for a new event."""
    token = int.from_bytes(os.urandom(7))
    dialect.insert(cursor, MARKS, [(*one, token, error) for one in streams])


def dirty_among(cursor: Any, dialect: Dialect, keys: Sequence[Row]) -> set[Row]:
    """Those of the (source, stream, version) that are dirty."""
    return set(dialect.lookup(cursor, _MARKED, keys))


def waiting(cursor: Any, dialect: Dialect, version: str, limit: int) -> list[DirtyStream]:
    """Marked streams of a version, those that wait longest first; without those that this code failed to fold."""
    cursor.execute(_WAITING.replace("?", dialect.mark), (version, limit))
    return [DirtyStream(*row) for row in cursor.fetchall()]


def any_dirty(cursor: Any, dialect: Dialect, versions: Sequence[str]) -> bool:
    """Whether a stream is marked for one of the versions, but for those that their code failed to fold."""
    some = ", ".join(dialect.mark for _ in versions)
    cursor.execute(f"SELECT 1 FROM unfolded WHERE version IN ({some}) AND error IS NULL LIMIT 1", list(versions))
    return cursor.fetchone() is not None


def count(cursor: Any, dialect: Dialect, version: str) -> int:
    """How many streams are marked for a version."""
    cursor.execute(_COUNT.replace("?", dialect.mark), (version,))
    return int(cursor.fetchone()[0])


def oldest(cursor: Any, dialect: Dialect, version: str) -> int | None:
    """The position since which the stream that waits longest for a version does so."""
    cursor.execute(_OLDEST.replace("?", dialect.mark), (version,))
    position: int | None = cursor.fetchone()[0]
    return position


def count_failed(cursor: Any, dialect: Dialect, version: str) -> int:
    """How many streams this version's code failed to fold."""
    cursor.execute(_FAILED.replace("?", dialect.mark), (version,))
    return int(cursor.fetchone()[0])


def clear(cursor: Any, dialect: Dialect, streams: Sequence[DirtyStream]) -> None:
    """Clears the marks, except those set again since the streams were read."""
    for one in streams:
        key = (one.source, one.stream, one.version)
        if one.token:
            cursor.execute(_CLEAR_OLD.replace("?", dialect.mark), (*key, one.token))
        else:
            cursor.execute(_CLEAR.replace("?", dialect.mark), key)
