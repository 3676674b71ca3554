"""The operations of `hookfold replay` on the versions of the projections."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Engine

from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
from adapters.sql.projections.dirty_streams import DirtyStream, count, mark_dirty
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import Refolder
from adapters.sql.projections.services import Answering, answering, releases_of, services
from adapters.sql.projections.status import Status, status_of
from adapters.sql.projections.versions import (
    BUILT,
    DROPPING,
    READY,
    RETIRED,
    SERVING,
    Version,
    all_versions,
    own_version,
    raise_epoch,
    register,
    serving,
    switch,
    update,
)
from adapters.sql.replay.build import Builder, ReplayListener, ReplayRefused
from adapters.sql.replay.difference import Differ, Difference
from adapters.sql.replay.stream_cursor import CHUNK
from core.event import Instant
from core.views.golden_history import GoldenHistory, Uncapturable, captured
from core.words import counted

KEPT = 2
"""Retired versions of a machine that remain for a rollback after a switch."""

KINDS = ("session", "registration", "action", "device")
_ONE = "SELECT source, stream, kind, provider_id, opened FROM streams WHERE stream = ?"
_DROP = (
    "DELETE FROM {table} WHERE fingerprint = ? AND source = ? AND {key} IN "
    "(SELECT {key} FROM {table} WHERE source = ? AND fingerprint = ? ORDER BY {key} LIMIT 1000)"
)
_DROP_MARKS = "DELETE FROM unfolded WHERE version = ?"
_FORGET = "DELETE FROM versions WHERE machine = ? AND version = ?"


class Part(msgspec.Struct, kw_only=True, frozen=True):
    """Which streams to refold. None: no condition. `since`: only streams with an event recorded since then."""

    source: str | None = None
    stream: str | None = None
    kind: str | None = None
    since: Instant | None = None


class Replay:
    """Every method raises Unavailable while the database is away, and ReplayRefused if the operation is not possible.

    `record` writes to the access log (`Recorder.record`); None records nothing. `helpers` more processes fold whole
    logs. They are forked, so no other thread may run then.
    """

    def __init__(
        self,
        engine: Engine,
        code: Code,
        clock: Callable[[], Instant],
        record: Callable[..., Any] | None = None,
        helpers: int = 0,
    ) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._builder = Builder(engine, code, clock, helpers)
        self._differ = Differ(engine, code, helpers)
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._record = record or (lambda _kind, **_what: None)
        self._clock = clock

    @property
    def sources(self) -> list[str]:
        """The names of the sources whose streams can be folded."""
        return sorted(self._code.sources)

    def status(self) -> Status:
        """The progress of every version, read from the tables."""
        with self._transactions.reading() as cursor:
            return status_of(cursor, self._dialect, self._code.machines)

    def rebuild(self, names: Sequence[str], told: ReplayListener, *, serve: bool = True) -> list[Version]:
        """Builds a version of each machine and switches. Without names: of those not serving yet, else of all.

        Both steps are recorded before they are done, so that a killed one is on record too.
        """
        wanted = list(names) or self._behind() or list(self._code.machines)
        self._record("replayed", machines=wanted)
        versions = self._builder.build(wanted, told)
        if serve:
            self._record("switched", versions=_names(versions))
        self._builder.finish(versions, SERVING if serve else READY)
        if serve:
            self._remove(_too_old)
        return versions

    def unbuilt(self) -> list[str]:
        """The machines without a built version of this code. Queries about them are folded from the log."""
        return [name for name in self._behind() if not self._is_built(name)]

    def rebuild_where_unbuilt(self, told: ReplayListener) -> list[Version]:
        """Builds the versions of this code that are not built; does nothing if all are."""
        names = self.unbuilt()
        return self.rebuild(names, told) if names else []

    def compare(self, names: Sequence[str], source: str | None = None) -> Iterator[Difference]:
        """What a rebuild with this code would change, after every chunk of streams; the last is complete. `source`:
        only its streams.
        """
        yield from self._differ.compare(names, source)

    def capture(self, stream: str, why: str) -> GoldenHistory:
        """A stream (by our id) as a golden history, with everything personal replaced."""
        rows = [row for row in self._transactions.rows(_ONE, stream) if row[0] in self._code.sources]
        with self._transactions.reading() as cursor:
            found = [DirtyStream(source, one, kind, name or "", opened, "") for source, one, kind, name, opened in rows]
            histories = self._refolder.read(cursor, found)
        for one, history in zip(found, histories, strict=True):
            kind, settings = self._code.machine_of(one.source, one.kind), self._code.sources[one.source].settings
            if history.base is not None:
                raise ReplayRefused("bodies of this stream were erased: what is left is no history")
            try:
                return captured(why, kind, self._refolder.events(history), settings)
            except Uncapturable as error:
                raise ReplayRefused(str(error)) from error
        raise ReplayRefused(f"no stream {stream} of a configured source")

    def again(self, part: Part, told: ReplayListener) -> int:
        """Refolds the selected streams in place; returns how many. If it is killed, others fold the marks that it
        leaves.
        """
        if part.stream is not None and not self._transactions.rows(_ONE, part.stream):
            raise ReplayRefused(f"there is no stream {part.stream}")
        self._record("replayed", part=msgspec.structs.asdict(part))
        marked = 0
        versions = [one for one in self._registered() if one.status in BUILT]
        for kind in (part.kind,) if part.kind else KINDS:
            marked += sum(self._mark(versions, chunk) for chunk in self._selected(part, kind))
        for machine in self._code.machines.values():
            own = own_version(versions, machine.name, machine.fingerprint)
            if own is not None:
                self._builder.catch_up(own.version, told)
        self._raise_epoch()
        return marked

    def answering(self) -> list[Answering]:
        """The versions that each live service reads."""
        with self._transactions.reading() as cursor:
            return answering(services(cursor), all_versions(cursor), self._clock())

    def releases_of(self, version: Version) -> list[str]:
        """The releases known to have a version's code."""
        with self._transactions.reading() as cursor:
            return releases_of(version.fingerprint, services(cursor))

    def has_code_of(self, version: Version) -> bool:
        """Whether the version belongs to this code."""
        kind = self._code.machines.get(version.machine)
        return kind is not None and kind.fingerprint == version.fingerprint

    def rollback(self, names: Sequence[str], to: str | None = None) -> list[Version]:
        """Makes the previous version serve again, or the one named `to`.

        It must be up to date, and only its own code can bring it there.
        """
        with self._transactions.reading() as cursor:
            last = self._target(cursor, names, to)
        if not last:
            raise ReplayRefused("no version served before the one that serves")
        self._record("switched", versions=_names(last))
        with self._transactions.turn() as cursor:
            if _names(self._target(cursor, names, to)) != _names(last):
                raise ReplayRefused("another version was switched to meanwhile: look what serves, and ask again")
            for before in last:
                self._fold_the_rest(cursor, before)
                switch(cursor, self._dialect, before, SERVING, self._clock())
            raise_epoch(cursor, self._dialect)
        return last

    def drop(self) -> list[Version]:
        """Deletes the retired versions and their rows, a little at a time; recorded before the first deletion."""
        return self._remove(lambda versions: [one for one in versions if one.status in {RETIRED, DROPPING}])

    def _remove(self, choose: Callable[[Sequence[Version]], list[Version]]) -> list[Version]:
        with self._transactions.turn() as cursor:
            gone = choose(all_versions(cursor))
            for version in gone:
                update(cursor, self._dialect, version, status=DROPPING)
            raise_epoch(cursor, self._dialect)
        if not gone:
            return []
        self._record("dropped", versions=_names(gone))
        for version in gone:
            self._drop(version)
        self._raise_epoch()
        return gone

    def _target(self, cursor: Any, names: Sequence[str], to: str | None) -> list[Version]:
        if to is None:
            return self._served_last(cursor, names)
        versions = [one for one in all_versions(cursor) if not names or one.machine in names]
        found = [one for one in versions if one.version == to]
        if not found:
            raise ReplayRefused(f"there is no version {to}: `hookfold replay status` lists them")
        status = found[0].status
        if status not in {READY, RETIRED}:
            raise ReplayRefused(f"{found[0].machine}: version {to} is {status}: only what is built can take over")
        return found

    def _served_last(self, cursor: Any, names: Sequence[str]) -> list[Version]:
        versions = all_versions(cursor)
        last = [_served_last(versions, name) for name in names or self._code.machines]
        return [one for one in last if one is not None]

    def _fold_the_rest(self, cursor: Any, version: Version) -> None:
        kind = self._code.machines.get(version.machine)
        left = count(cursor, self._dialect, version.version)
        if left and (kind is None or kind.fingerprint != version.fingerprint):
            why = f"{counted(left, 'stream waits', 'streams wait')} to be folded into version {version.version}"
            raise ReplayRefused(
                f"{version.machine}: {why}, which only the release that has its code can do: run it there"
            )
        self._builder.fold_the_rest(cursor, version)

    def _drop(self, version: Version) -> None:
        """Deletes the marks first: a process that finds one would fold the stream and write new rows."""
        with self._transactions.turn() as cursor:
            self._dialect.run(cursor, _DROP_MARKS, version.version)
        streams = ("runs", "prefixes", "projections")
        for table, key in (("measurements", "measurement"), *((table, "stream") for table in streams)):
            for source in self._sources_of(table):
                sql = _DROP.format(table=table, key=key)
                while self._delete_some(sql, version.version, source, source, version.version):
                    pass
        with self._transactions.turn() as cursor:
            self._dialect.run(cursor, _DROP_MARKS, version.version)
            self._dialect.run(cursor, _FORGET, version.machine, version.version)

    def _delete_some(self, sql: str, *values: str) -> bool:
        with self._transactions.beside() as cursor:
            return bool(self._dialect.run(cursor, sql, *values).rowcount > 0)

    def _sources_of(self, table: str) -> list[str]:
        return [source for (source,) in self._transactions.rows(f"SELECT DISTINCT source FROM {table}")]

    def _behind(self) -> list[str]:
        """The machines whose serving version is not this code's."""
        versions = self._registered()
        owns = {name: own_version(versions, name, kind.fingerprint) for name, kind in self._code.machines.items()}
        return [name for name, own in owns.items() if own is None or own.status != SERVING]

    def _registered(self) -> list[Version]:
        """Every version, after registering this code's unless the database is read-only."""
        if self._transactions.read_only:
            with self._transactions.reading() as cursor:
                return all_versions(cursor)
        with self._transactions.turn() as cursor:
            return register(cursor, self._dialect, self._code.machines, self._clock())

    def _is_built(self, name: str) -> bool:
        with self._transactions.reading() as cursor:
            own = own_version(all_versions(cursor), name, self._code.machines[name].fingerprint)
        return own is not None and own.status in BUILT

    def _since(self) -> str:
        return _SINCE.format(self._dialect.using("ix_events_source_opened_position"))

    def _selected(self, part: Part, kind: str) -> Iterator[list[Row]]:
        """Chunks of (source, stream, kind, opened)."""
        conditions = {"s.source = ?": part.source, "s.stream = ?": part.stream, self._since(): part.since}
        asked = {sql: value for sql, value in conditions.items() if value is not None}
        where = " AND ".join(["s.kind = ?", "s.opened > ?", *asked])
        sql = (
            f"SELECT s.source, s.stream, s.kind, s.opened FROM streams s WHERE {where} ORDER BY s.opened LIMIT {CHUNK}"
        )
        opened = 0
        while rows := self._transactions.rows(sql, kind, opened, *asked.values()):
            opened = rows[-1][3]
            yield rows

    def _mark(self, versions: Sequence[Version], streams: Sequence[Row]) -> int:
        """Marks the streams for this code's versions; returns how many have one."""
        marks = []
        for source, stream, kind, opened in streams:
            machine = self._builder.machine_of(source, kind)
            own = own_version(versions, machine.name, machine.fingerprint) if machine else None
            if own is not None:
                marks.append((source, stream, own.version, opened))
        if marks:
            with self._transactions.turn() as cursor:
                mark_dirty(cursor, self._dialect, marks)
                raise_epoch(cursor, self._dialect)
        return len(marks)

    def _raise_epoch(self) -> None:
        with self._transactions.turn() as cursor:
            raise_epoch(cursor, self._dialect)


_SINCE = (
    "EXISTS (SELECT 1 FROM events e{} WHERE e.source = s.source AND e.opened = s.opened AND e.stream = s.stream "
    "AND e.position > 0 AND e.recorded_at >= ?)"
)


def _names(versions: Sequence[Version]) -> list[str]:
    return [version.version for version in versions]


def _too_old(versions: Sequence[Version]) -> list[Version]:
    """Retired versions beyond the newest ones of their machine, and those whose deletion has begun."""
    gone = [one for one in versions if one.status == DROPPING]
    for machine in {one.machine for one in versions}:
        retired = [one for one in versions if one.machine == machine and one.status == RETIRED]
        gone += sorted(retired, key=lambda one: one.switched_at or 0, reverse=True)[KEPT:]
    return gone


def _served_last(versions: Sequence[Version], machine: str) -> Version | None:
    """The retired version that served most recently."""
    if serving(versions, machine) is None:
        return None
    retired = [one for one in versions if one.machine == machine and one.status == RETIRED]
    return max(retired, key=lambda one: one.switched_at or 0, default=None)
