"""Refolds long streams in a background thread, which takes the append lock only to write a piece of the result.

The stream stays marked while its rows are written, so no fold continues from its prefixes. Readers see new rows as they
are written, and the new state with the last of them. If the process is killed, another one starts over.
"""

import os
import sys
from threading import Event, Thread, get_native_id
from time import monotonic
from typing import Any

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql.database.errors import is_from_driver
from adapters.sql.database.fault_log import FaultLog
from adapters.sql.database.threads import leave
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
from adapters.sql.long_streams.long_fold import LongFold, LongFolds
from adapters.sql.long_streams.pieces import pieces_of
from adapters.sql.long_streams.thinning import Thinning
from adapters.sql.projections.dirty_streams import (
    AT_ONCE,
    WHOLE,
    DirtyStream,
    claim,
    clear,
    mark_dirty,
    still_lacks,
    waiting_beside,
)
from adapters.sql.projections.left_measurements import bring_back, named_elsewhere
from adapters.sql.projections.projection import Code, Projection
from adapters.sql.projections.refold import Refolder, fault
from adapters.sql.projections.stored_events import stream_rows, to_event
from adapters.sql.projections.versions import VersionMap, all_versions, epoch, version_map
from core.folding import fold

TICK = 0.5
"""Seconds between two checks of the marks."""

_NICE = 10
_REST = 4
"""After each piece, deliveries have the database to themselves for this many times the duration of the piece."""

_SELDOM = 4
"""Checks of the marks for each check of a stream's prefixes."""

_ERASED = (
    "SELECT e.source, e.stream FROM erased e WHERE EXISTS "
    "(SELECT 1 FROM prefixes p WHERE p.source = e.source AND p.stream = e.stream)"
)
_FORGET_ERASED = "DELETE FROM prefixes WHERE source = ? AND stream = ?"
_MARK = "SELECT position, beside FROM unfolded WHERE source = ? AND stream = ? AND version = ?"
_FENCE = (
    "SELECT u.position, u.beside, (SELECT e.position FROM erased e WHERE e.source = u.source AND e.stream = u.stream), "
    "(SELECT count(*) FROM retractions r WHERE r.source = u.source AND u.stream = "
    "(SELECT e.stream FROM events e WHERE e.source = r.source AND e.position = r.position)) "
    "FROM unfolded u WHERE u.source = ? AND u.stream = ? AND u.version = ?"
)
_logger = structlog.get_logger()


class Refolded(msgspec.Struct, gc=False):
    """The result of refolding a stream.

    `fence` holds its mark and what else the fold depends on; None if the mark was gone. Nothing else has changed since
    `epoch`. `folded` is None if the fold failed with `error`, at `position` or before.
    """

    epoch: str
    fence: Row | None
    stream: DirtyStream
    position: int
    folded: LongFold | None = None
    error: str = ""


class LongStreams:
    """Refolds the long streams of this code's versions. Every method raises Unavailable while the database is away.

    Its commits do not wait for the disk, because everything that it writes can be derived from the log again.
    """

    def __init__(self, engine: Engine, code: Code) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._refolder = Refolder(self._dialect, code)
        self._long_folds = LongFolds(self._dialect, code, self._refolder)
        self._code = code
        self._version_map = VersionMap("", {}, nothing_pending=False)
        self._thinning = Thinning(self._transactions)
        self._turn = 0

    def thin(self) -> None:
        """Thins the prefixes of the next stream."""
        self._thinning.look()

    def forget_erased(self) -> None:
        """Deletes the prefixes of streams that an older release, which does not know prefixes, has erased."""
        with self._transactions.reading() as cursor:
            cursor.execute(_ERASED)
            streams = cursor.fetchall()
        for stream in streams:
            with self._transactions.turn() as cursor:
                cursor.execute(_FORGET_ERASED.replace("?", self._dialect.mark), tuple(stream))

    def fold_all(self, stopped: Event | None = None) -> None:
        """Folds until no stream waits or the event is set."""
        while not (stopped and stopped.is_set()) and self.fold_next(stopped):
            pass

    def fold_next(self, stopped: Event | None = None) -> bool:
        """Folds the longest waiting stream of the next machine in rotation; False if none waits.

        Gives the stream up if it was retracted from, erased or hit by a conflict meanwhile, if another process folds
        it, or if the event is set. If it is still marked, it is folded again later.
        """
        stream = self._next()
        if stream is not None:
            refolded = self._fold(stream)
            if refolded.folded is None:
                self._tell(refolded)
            elif self._claim(refolded) and self._write_pieces(refolded, refolded.folded, stopped or Event()):
                self._finish(refolded, refolded.folded)
        return stream is not None

    def _next(self) -> DirtyStream | None:
        self._turn += 1
        with self._transactions.reading() as cursor:
            if (at := epoch(cursor)) != self._version_map.epoch:
                versions = all_versions(cursor)
                self._version_map = version_map(cursor, self._dialect, self._code.machines, versions, at)
            owns = [own for own in self._version_map.machines.values() if own.built]
            found = [stream for own in owns for stream in waiting_beside(cursor, self._dialect, own.version, 1)]
        return found[self._turn % len(found)] if found else None

    def _fence(self, cursor: Any, stream: DirtyStream) -> Row | None:
        """What a stream's fold depends on besides its events; None if it is no longer marked."""
        cursor.execute(_FENCE.replace("?", self._dialect.mark), stream.key)
        found = cursor.fetchone()
        return None if found is None else tuple(found)

    def _fold(self, stream: DirtyStream) -> Refolded:
        with self._transactions.reading() as cursor:
            at = epoch(cursor)
            refolded = Refolded(at, self._fence(cursor, stream), stream, stream.opened)
            if refolded.fence is not None:
                _, beside, erased, retracted = refolded.fence
                whole = bool(beside & WHOLE or erased or retracted)
                try:
                    refolded.folded = self._long_folds.fold(cursor, stream, whole=whole)
                    refolded.position = refolded.folded.position
                except Exception as error:
                    if is_from_driver(error):
                        raise
                    refolded.error = fault(error)  # of ours: it is told with the mark
        return refolded

    def _claim(self, refolded: Refolded) -> bool:
        """Claims the stream's rows for this process; another process that was writing them gives up."""
        with self._transactions.short_turn() as cursor:
            return self._is_still_ours(cursor, refolded)

    def _is_still_ours(self, cursor: Any, refolded: Refolded) -> bool:
        """Whether nothing has changed. Shows others that the work continues."""
        if refolded.fence is None or not self._holds(cursor, refolded, refolded.fence):
            return False
        position, beside, *rest = refolded.fence
        refolded.fence = (position, claim(cursor, self._dialect, refolded.stream.key, beside), *rest)
        return True

    def _holds(self, cursor: Any, refolded: Refolded, fence: Row) -> bool:
        """Whether the fence still holds. With the same epoch, nothing was erased or retracted in any stream."""
        at = epoch(cursor)
        if at == refolded.epoch:
            cursor.execute(_MARK.replace("?", self._dialect.mark), refolded.stream.key)
            mark = cursor.fetchone()
            return mark is not None and tuple(mark) == fence[:2]
        refolded.epoch = at
        return self._fence(cursor, refolded.stream) == fence

    def _write_pieces(self, refolded: Refolded, folded: LongFold, stopped: Event) -> bool:
        """Writes all rows but the state, with pauses for other writers; False if the stream is given up."""
        one, stream, begins = folded.projection, refolded.stream, folded.begins
        with self._transactions.reading() as cursor:
            stored = self._long_folds.measured(cursor, stream, begins)
            prefixes = self._long_folds.prefixes_behind(cursor, stream, begins)
        for piece in pieces_of(self._code.ids, one, stored, prefixes):
            with self._transactions.short_turn() as cursor:
                began = monotonic()
                if not self._is_still_ours(cursor, refolded):
                    return False
                piece.write(cursor, self._dialect)
            if stopped.wait(_REST * (monotonic() - began)):
                return False
        return True

    def _finish(self, refolded: Refolded, folded: LongFold) -> None:
        """Updates the state by the events that came meanwhile and writes it."""
        stream, one = refolded.stream, folded.projection
        with self._transactions.short_turn() as cursor:
            if not self._is_still_ours(cursor, refolded):
                return
            lacks = self._advance(cursor, one, refolded)
            if refolded.error:
                self._mark_failed(cursor, refolded)
                return
            self._refolder.replace(cursor, one)
            if lacks is None:
                clear(cursor, self._dialect, [msgspec.structs.replace(stream, token=0)])
            else:
                still_lacks(cursor, self._dialect, stream.key, lacks)

    def _tell(self, refolded: Refolded) -> None:
        with self._transactions.short_turn() as cursor:
            if refolded.fence is not None and self._fence(cursor, refolded.stream) == refolded.fence:
                self._mark_failed(cursor, refolded)

    def _mark_failed(self, cursor: Any, refolded: Refolded) -> None:
        stream = refolded.stream
        _logger.error("fold_failed", source=stream.source, stream=stream.stream, error=refolded.error)
        mark_dirty(cursor, self._dialect, [(*stream.key, refolded.position)], refolded.error)

    def _advance(self, cursor: Any, one: Projection, refolded: Refolded) -> int | None:
        """Applies at most `AT_ONCE` events that were appended during the fold.

        Returns the position of the first event that is not applied, or None. A bug of ours goes into `refolded.error`.
        """
        source = self._code.sources[one.source]
        place = (one.source, one.stream, one.opened)
        rows = stream_rows(cursor, self._dialect, *place, after=refolded.position, limit=AT_ONCE + 1)
        try:
            events = [to_event(*row, read=source.read) for row in rows[:AT_ONCE]]
            bring_back(cursor, self._dialect, named_elsewhere(self._code.ids, [(one, events)]))
            for event in events:
                if not fold.advance(one.machine, one.state, event, source.settings):
                    return event.position
        except Exception as error:
            if is_from_driver(error):
                raise
            refolded.error = fault(error)  # of ours: it is told with the mark
        return int(rows[AT_ONCE][0]) if len(rows) > AT_ONCE else None


class BackgroundFolding:
    """A thread of low priority that folds long streams as soon as they are marked."""

    def __init__(self, engine: Engine, code: Code, tick: float = TICK) -> None:
        self._streams = LongStreams(engine, code)
        self._tick = tick
        self._faults = FaultLog("folding_failed")
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="hookfold-fold", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after its current fold or piece, without waiting too long."""
        self._stopped.set()
        leave(self._thread)

    def _run(self) -> None:
        if sys.platform == "linux":  # only there a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
        forgotten, looks = False, 0
        while not self._stopped.wait(self._tick):
            looks += 1
            try:
                if not forgotten:
                    self._streams.forget_erased()
                    forgotten = True
                self._streams.fold_all(self._stopped)
                if looks % _SELDOM == 0:
                    self._streams.thin()
            except Exception as error:  # noqa: BLE001 - it is told, and the thread goes on
                self._faults.tell(error)
