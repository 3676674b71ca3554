"""The versions of the projections: which code folded each, which one serves, and what a process does with each.

A process folds with its own code. It writes the rows of its own version once that is built, and marks the streams that
it touches as dirty for every other version. Every change here raises the epoch, which tells all processes to read the
versions again.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Dialect, Insert
from core.event import Instant
from core.states.state import StateMachine
from core.views.declared import declared

UNBUILT, BUILDING, READY, SERVING, RETIRED, DROPPING = "unbuilt", "building", "ready", "serving", "retired", "dropping"
BUILT = frozenset({READY, SERVING, RETIRED})
_PREFERRED = (SERVING, READY, RETIRED, BUILDING, UNBUILT)

EPOCH = "SELECT value FROM service WHERE name = 'epoch'"
_RAISE = "UPDATE service SET value = ? WHERE name = 'epoch'"
_VERSIONS = Insert(tables.versions)
_COLUMNS = ", ".join(_VERSIONS.names)
_ALL = f"SELECT {_COLUMNS} FROM versions ORDER BY machine, registered_at, version"
_ANY_MARK = "SELECT 1 FROM unfolded WHERE version = ? AND beside = 0 LIMIT 1"


class Version(msgspec.Struct, gc=False):
    """A row of `versions`."""

    machine: str
    version: str
    fingerprint: str
    status: str
    declaration: bytes
    registered_at: Instant
    started_at: Instant | None = None
    progressed_at: Instant | None = None
    switched_at: Instant | None = None
    built_by: str | None = None
    builder: str | None = None
    reached: int = 0
    folded: int = 0


class MachineVersions(msgspec.Struct, frozen=True, gc=False):
    """One machine's versions as this process sees them: its own, whether that is built, and the others."""

    version: str
    built: bool
    others: tuple[str, ...] = ()

    @property
    def to_mark(self) -> tuple[str, ...]:
        """The versions for which a changed stream is marked dirty: all that this process does not fold itself."""
        return self.others if self.built else (self.version, *self.others)


class VersionMap(msgspec.Struct, frozen=True, gc=False):
    """This process's view of the versions of every machine, valid for one epoch.

    `nothing_pending`: every own version is built, no other version exists and no stream is dirty, but for long ones.
    """

    epoch: str
    machines: dict[str, MachineVersions]
    nothing_pending: bool

    def is_built(self) -> bool:
        """Whether this code's versions of all machines are built."""
        return bool(self.machines) and all(own.built for own in self.machines.values())

    def versions(self) -> list[str]:
        """The versions of this code."""
        return [own.version for own in self.machines.values()]


def all_versions(cursor: Any) -> list[Version]:
    """Every version, by machine, oldest first."""
    cursor.execute(_ALL)
    return [Version(*row) for row in cursor.fetchall()]


def epoch(cursor: Any) -> str:
    """The number that changes with every change of the versions."""
    cursor.execute(EPOCH)
    return str(cursor.fetchone()[0])


def raise_epoch(cursor: Any, dialect: Dialect) -> str:
    """Makes every process read the versions again; returns the new epoch. Only under the append lock."""
    raised = str(int(epoch(cursor)) + 1)
    dialect.run(cursor, _RAISE, raised)
    return raised


def own_version(versions: Iterable[Version], machine: str, fingerprint: str) -> Version | None:
    """The version that this code reads and writes: among those with its fingerprint, the serving one, else the most
    complete.
    """
    mine = [one for one in versions if one.machine == machine and one.fingerprint == fingerprint]
    living = [one for one in mine if one.status in _PREFERRED]
    return min(reversed(living), key=lambda one: _PREFERRED.index(one.status), default=None)


def serving(versions: Iterable[Version], machine: str) -> Version | None:
    """The version that serves."""
    return next((one for one in versions if one.machine == machine and one.status == SERVING), None)


def register(cursor: Any, dialect: Dialect, machines: Mapping[str, StateMachine], now: Instant) -> list[Version]:
    """Registers this code's versions, under the append lock; returns every version.

    A machine's first version ever serves at once, since there is nothing to fold yet. Any other begins unbuilt.
    """
    versions = all_versions(cursor)
    unknown = [kind for kind in machines.values() if own_version(versions, kind.name, kind.fingerprint) is None]
    if not unknown:
        return versions
    for kind in unknown:
        first = not any(one.machine == kind.name for one in versions)
        insert(cursor, dialect, new_version(versions, kind, SERVING if first else UNBUILT, now))
    raise_epoch(cursor, dialect)
    return all_versions(cursor)


def new_version(versions: Iterable[Version], kind: StateMachine, status: str, now: Instant) -> Version:
    """A version for this code under an unused name."""
    taken = {one.version for one in versions}
    names = [kind.fingerprint, *(f"{kind.fingerprint}-{number}" for number in range(2, len(taken) + 3))]
    name = next(name for name in names if name not in taken)
    switched = now if status == SERVING else None
    declaration = msgspec.json.encode(declared(kind))
    return Version(kind.name, name, kind.fingerprint, status, declaration, now, switched_at=switched)


def insert(cursor: Any, dialect: Dialect, version: Version) -> None:
    """Adds a version."""
    dialect.insert(cursor, _VERSIONS, [msgspec.structs.astuple(version)])


def update(cursor: Any, dialect: Dialect, version: Version, **changes: Any) -> None:
    """Changes columns of a version."""
    assignments = ", ".join(f"{name} = ?" for name in changes)
    sql = f"UPDATE versions SET {assignments} WHERE machine = ? AND version = ?"
    dialect.run(cursor, sql, *changes.values(), version.machine, version.version)


def switch(cursor: Any, dialect: Dialect, version: Version, status: str, now: Instant) -> None:
    """Makes a built version the serving one, or ready to serve. Only under the append lock."""
    if status == SERVING:
        before = serving(all_versions(cursor), version.machine)
        if before is not None:
            update(cursor, dialect, before, status=RETIRED)
        update(cursor, dialect, version, switched_at=now)
    update(cursor, dialect, version, status=status, builder=None)


def version_map(
    cursor: Any,
    dialect: Dialect,
    machines: Mapping[str, StateMachine],
    versions: Sequence[Version],
    at: str | None = None,
) -> VersionMap:
    """The version map of these machines. `at`: the epoch, if it was read before the versions and without the lock."""
    owns = {name: _own(versions, kind) for name, kind in machines.items()}
    alone = all(own.built and not own.others for own in owns.values())
    nothing_pending = alone and not any(_is_marked(cursor, dialect, own.version) for own in owns.values())
    return VersionMap(at or epoch(cursor), owns, nothing_pending)


def _own(versions: Sequence[Version], kind: StateMachine) -> MachineVersions:
    mine = own_version(versions, kind.name, kind.fingerprint)
    if mine is None:  # not registered yet: the machine's first version serves at once
        return MachineVersions(kind.fingerprint, built=not any(one.machine == kind.name for one in versions))
    living = [one for one in versions if one.machine == kind.name and one.status != DROPPING]
    others = tuple(one.version for one in living if one.version != mine.version)
    return MachineVersions(mine.version, mine.status in BUILT, others)


def _is_marked(cursor: Any, dialect: Dialect, version: str) -> bool:
    return dialect.run(cursor, _ANY_MARK, version).fetchone() is not None
