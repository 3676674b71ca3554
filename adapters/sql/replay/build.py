"""Builds this code's versions of the projections from the log, beside the serving ones, while appends continue.

It folds every stream in the order of opening; a chunk and its cursor share a transaction, so a killed build resumes
there. Then it folds the streams that appends have marked meanwhile. At last it folds the remaining marks under the
append lock and switches.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from typing import Any
from uuid import uuid4

import msgspec
from sqlalchemy import Engine

from adapters.sql.database.transactions import Transactions
from adapters.sql.projections.dirty_streams import count, count_failed, waiting
from adapters.sql.projections.projection import Code
from adapters.sql.projections.refold import FailedStream, Refolder
from adapters.sql.projections.versions import (
    BUILDING,
    READY,
    SERVING,
    UNBUILT,
    Version,
    all_versions,
    insert,
    new_version,
    raise_epoch,
    register,
    switch,
    update,
)
from adapters.sql.replay.builders import is_running, this_process
from adapters.sql.replay.parallel_fold import FoldedChunk, fold_chunk, fold_chunks
from adapters.sql.replay.stream_cursor import CHUNK, StreamCursor
from core.event import SECOND, Instant
from core.folding import fold
from core.words import counted

FEW = 50
"""The most marks that are left for the switch to fold."""

ALIVE: Instant = 15 * SECOND
"""A build on another host without progress for this long counts as dead."""

_STILL_MINE = (
    "UPDATE versions SET reached = ?, folded = folded + ?, progressed_at = ? "
    "WHERE machine = ? AND version = ? AND builder = ? AND status = 'building'"
)


class ReplayRefused(Exception):
    """A replay cannot be done. The message says why and what to do."""


class ReplayProgress(msgspec.Struct, frozen=True):
    """The progress of a build: streams folded, streams in all, and the events that this process read."""

    machine: str
    version: str
    streams: int
    total: int
    events: int


class FoldFailure(msgspec.Struct, frozen=True):
    """A stream that this code cannot fold, and the error."""

    source: str
    stream: str
    error: str


ReplayListener = Callable[[ReplayProgress | FoldFailure], None]


class Builder:
    """The builder of one process. `told` receives progress, and every failure at once."""

    def __init__(self, engine: Engine, code: Code, clock: Callable[[], Instant], helpers: int = 0) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._streams = StreamCursor(self._transactions, code.sources)
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._clock = clock
        self._helpers = helpers
        self._me = uuid4().hex

    def machine_of(self, source: str, kind: str) -> fold.StateMachine | None:
        """The machine that folds a source's streams of that kind; None if the source is no longer configured."""
        return self._code.machine_of(source, kind) if source in self._code.sources else None

    def build(self, names: Iterable[str], told: ReplayListener) -> list[Version]:
        """Builds a version of each machine, or resumes one, and brings it up to date. Raises ReplayRefused if another
        process builds.
        """
        versions = self._begin(list(names))
        for version in versions:
            if version.status == BUILDING:
                self._first_pass(version, told)
        for version in versions:
            self.catch_up(version.version, told)
        return versions

    def finish(self, versions: Sequence[Version], status: str = SERVING) -> None:
        """Folds the last marks under the append lock and makes these versions serve, or ready to, in one transaction.

        Raises ReplayRefused if a stream cannot be folded or another process has taken over the build.
        """
        with self._transactions.turn() as cursor:
            known = {(one.machine, one.version): one for one in all_versions(cursor)}
            for version in versions:
                current = known.get((version.machine, version.version))
                if current is None or current.builder != self._me:
                    raise ReplayRefused(f"{version.machine}: another process has taken over the build")
                self.fold_the_rest(cursor, version)
            for version in versions:
                switch(cursor, self._dialect, version, status, self._clock())
            raise_epoch(cursor, self._dialect)

    def fold_the_rest(self, cursor: Any, version: Version) -> None:
        """Folds a version's last marks under the append lock. Raises ReplayRefused if a stream cannot be folded."""
        while streams := waiting(cursor, self._dialect, version.version, CHUNK):
            self._refolder.catch_up(cursor, streams)
        failed = count_failed(cursor, self._dialect, version.version)
        if failed:
            raise ReplayRefused(
                f"{version.machine}: {counted(failed, 'stream')} cannot be folded by this code; nothing was switched"
            )

    def _begin(self, names: Sequence[str]) -> list[Version]:
        with self._transactions.turn() as cursor:
            versions = register(cursor, self._dialect, self._code.machines, self._clock())
            chosen = [self._chosen(versions, self._code.machines[name]) for name in names]
            for version in chosen:
                if version.status == BUILDING:
                    self._refuse_living(version)
            begun = []
            for version in chosen:
                if (version.machine, version.version) not in {(one.machine, one.version) for one in versions}:
                    insert(cursor, self._dialect, version)
                begun.append(self._claimed(cursor, version))
            raise_epoch(cursor, self._dialect)
        return begun

    def _chosen(self, versions: Sequence[Version], kind: fold.StateMachine) -> Version:
        """This code's version to build: the ready one, else one being built, else an unbuilt one, else a new one."""
        mine = [one for one in versions if one.machine == kind.name and one.fingerprint == kind.fingerprint]
        for status in (READY, BUILDING, UNBUILT):
            for one in mine:
                if one.status == status:
                    return one
        return new_version(versions, kind, UNBUILT, self._clock())

    def _claimed(self, cursor: Any, version: Version) -> Version:
        now = self._clock()
        changes: dict[str, Any] = {"builder": self._me, "built_by": this_process(), "progressed_at": now}
        if version.status == UNBUILT:
            changes |= {"status": BUILDING, "started_at": now}
        update(cursor, self._dialect, version, **changes)
        return msgspec.structs.replace(version, **changes)

    def _refuse_living(self, version: Version) -> None:
        """Raises ReplayRefused if another live process builds the version. A dead builder is replaced."""
        if not version.built_by or version.built_by == this_process():
            return
        quiet = self._clock() - (version.progressed_at or 0)
        if is_running(version.built_by) is not False and quiet < ALIVE:
            raise ReplayRefused(f"{version.machine}: {version.built_by} is building; stop it, or wait until it is done")

    def _first_pass(self, version: Version, told: ReplayListener) -> None:
        done, events, end = version.folded, 0, self._streams.head()  # streams opened later carry marks
        total = done + self._streams.count(version.machine, version.reached, end)
        told(ReplayProgress(version.machine, version.version, done, total, events))
        streams = self._streams.chunks(version.machine, version.version, version.reached, end)
        with closing(fold_chunks(self._transactions, self._refolder, streams, self._helpers)) as chunks:
            for chunk in chunks:
                self._write(version, chunk)
                done, events = done + len(chunk.streams), events + chunk.events
                _tell_failed(chunk, told)
                told(ReplayProgress(version.machine, version.version, done, max(total, done), events))

    def _write(self, version: Version, chunk: FoldedChunk) -> None:
        progress = (chunk.streams[-1].opened, len(chunk.streams), self._clock())
        with self._transactions.beside() as cursor:
            mine = (version.machine, version.version, self._me)
            if self._dialect.run(cursor, _STILL_MINE, *progress, *mine).rowcount != 1:
                raise ReplayRefused(f"{version.machine}: another process has taken over the build")
            self._refolder.write(cursor, chunk.folded, first=True)

    def catch_up(self, version: str, told: ReplayListener) -> None:
        """Folds marked streams without the append lock, until few are left or their number no longer falls.

        Appends may mark streams as fast as they are folded. The switch folds the rest under the lock.
        """
        left = self._count_marks(version)
        while left:
            for _ in range(-(-left // CHUNK)):
                self._catch_up_some(version, told)
            before, left = left, self._count_marks(version)
            if left < FEW or left > before // 2:
                return

    def _catch_up_some(self, version: str, told: ReplayListener) -> None:
        with self._transactions.reading() as cursor:
            streams = waiting(cursor, self._dialect, version, CHUNK)
        chunk = fold_chunk(self._transactions, self._refolder, streams)
        with self._transactions.turn() as cursor:
            self._refolder.write(cursor, chunk.folded)
        _tell_failed(chunk, told)
        time.sleep(0.005)  # lets waiting appends have the lock

    def _count_marks(self, version: str) -> int:
        """Counts the marks of streams, without those that this code failed to fold."""
        with self._transactions.reading() as cursor:
            return count(cursor, self._dialect, version) - count_failed(cursor, self._dialect, version)


def _tell_failed(chunk: FoldedChunk, told: ReplayListener) -> None:
    for one in chunk.folded:
        if isinstance(one, FailedStream):
            told(FoldFailure(one.stream.source, one.stream.stream, one.error))
