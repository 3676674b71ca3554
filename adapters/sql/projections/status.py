"""The progress of the projections' versions, read from the tables."""

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.sql.dialects.dialect import Dialect
from adapters.sql.projections.dirty_streams import count, count_failed, oldest
from adapters.sql.projections.services import RegisteredService, services
from adapters.sql.projections.versions import BUILDING, UNBUILT, Version, all_versions, own_version
from core.event import Instant
from core.folding import fold

KIND_OF = {"measurement": "session"}
"""The kind of stream that a machine folds, if their names differ."""

_HEAD = "SELECT position, recorded_at FROM events ORDER BY position DESC LIMIT 1"
_RECORDED = "SELECT recorded_at FROM events WHERE position = ?"
_UNREACHED = "SELECT min(opened) FROM streams WHERE kind = ? AND opened > ?"


class VersionStatus(msgspec.Struct, kw_only=True):
    """A version and its progress. Instants in microseconds.

    `waiting` counts its marked streams, `failed` those that its code could not fold. `oldest` is the position of the
    oldest event that it has not folded, `oldest_at` when that was recorded. `own`: this code folds it.
    """

    machine: str
    version: str
    fingerprint: str
    status: str
    own: bool
    built_by: str | None
    registered_at: Instant
    started_at: Instant | None
    progressed_at: Instant | None
    switched_at: Instant | None
    folded: int
    waiting: int
    failed: int
    oldest: int | None
    oldest_at: Instant | None


class Status(msgspec.Struct, kw_only=True):
    """The log's head, every version of every machine, and the recorded services."""

    position: int
    recorded_at: Instant | None
    versions: list[VersionStatus]
    services: list[RegisteredService]

    @property
    def lag(self) -> int:
        """The positions by which the versions that this code reads lag behind the log."""
        behind = [one.oldest for one in self.versions if one.own and one.oldest is not None]
        return max((self.position - oldest + 1 for oldest in behind), default=0)


def status_of(cursor: Any, dialect: Dialect, machines: Mapping[str, fold.StateMachine]) -> Status:
    """The content of `hookfold replay status`. `machines` are those of this code."""
    cursor.execute(_HEAD)
    position, recorded_at = cursor.fetchone() or (0, None)
    versions = all_versions(cursor)
    mine = [own_version(versions, name, kind.fingerprint) for name, kind in machines.items()]
    names = {(one.machine, one.version) for one in mine if one is not None}
    told = [_told(cursor, dialect, one, own=(one.machine, one.version) in names) for one in versions]
    return Status(position=position, recorded_at=recorded_at, versions=told, services=services(cursor))


def _told(cursor: Any, dialect: Dialect, one: Version, *, own: bool) -> VersionStatus:
    position = _oldest(cursor, dialect, one)
    return VersionStatus(
        machine=one.machine,
        version=one.version,
        fingerprint=one.fingerprint,
        status=one.status,
        own=own,
        built_by=one.built_by,
        registered_at=one.registered_at,
        started_at=one.started_at,
        progressed_at=one.progressed_at,
        switched_at=one.switched_at,
        folded=one.folded,
        waiting=count(cursor, dialect, one.version),
        failed=count_failed(cursor, dialect, one.version),
        oldest=position,
        oldest_at=_recorded(cursor, dialect, position),
    )


def _oldest(cursor: Any, dialect: Dialect, one: Version) -> int | None:
    """The oldest event that the version has not folded: that of a mark, or of the first stream not reached yet."""
    found = [oldest(cursor, dialect, one.version)]
    if one.status in {UNBUILT, BUILDING}:
        kind = KIND_OF.get(one.machine, one.machine)
        found.append(dialect.run(cursor, _UNREACHED, kind, one.reached).fetchone()[0])
    return min((position for position in found if position is not None), default=None)


def _recorded(cursor: Any, dialect: Dialect, position: int | None) -> Instant | None:
    if position is None:
        return None
    row = dialect.run(cursor, _RECORDED, position).fetchone()
    return row[0] if row else None
