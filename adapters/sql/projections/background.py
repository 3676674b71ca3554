"""Folds long streams anew beside the appends: in a thread, and the append lock is had for a piece of the result only.

While its rows are written, a stream is marked as before, and so nothing goes on from a prefix; the new rows are told as
they come, and the state with the last of them. Whoever takes over from a process that was killed begins again.
"""

import os
import sys
from threading import Event, Thread, get_native_id
from time import monotonic
from typing import Any

import msgspec
import structlog
from sqlalchemy import Engine

from adapters.sql.database.errors import cause_of, is_from_driver
from adapters.sql.database.threads import leave
from adapters.sql.database.transactions import Transactions
from adapters.sql.dialects.dialect import Row
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
from adapters.sql.projections.long_fold import LongFold, LongFolds
from adapters.sql.projections.pieces import pieces_of
from adapters.sql.projections.projection import Code, Projection
from adapters.sql.projections.refold import Refolder, fault
from adapters.sql.projections.stored_events import stream_rows, to_event
from adapters.sql.projections.thinning import Thinning
from adapters.sql.projections.versions import VersionMap, all_versions, epoch, version_map
from core import fold

TICK = 0.5
"""Seconds between two looks at the marks."""

_NICE = 10
_REST = 4
"""So many times as long as a piece took, deliveries have the database to themselves."""

_SELDOM = 4
"""So many looks at the marks are one at the prefixes of a stream."""

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
    """What a stream was folded to.

    `fence`: its mark, and what else its fold depends on; None where the mark was gone. Of the rest nothing has changed
    since `epoch`. `folded` is None where it cannot be folded: `error`, of the event at `position` or one before.
    """

    epoch: str
    fence: Row | None
    stream: DirtyStream
    position: int
    folded: LongFold | None = None
    error: str = ""


class LongStreams:
    """What this code has to fold beside the appends. Every method raises Unavailable while the database is away.

    Nothing that it writes is known from anywhere but the log, so no commit of its own waits for the disk.
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
        """Looks at the prefixes of one stream more."""
        self._thinning.look()

    def forget_erased(self) -> None:
        """Deletes prefixes of streams that an older release has erased, which knows of none."""
        with self._transactions.reading() as cursor:
            cursor.execute(_ERASED)
            streams = cursor.fetchall()
        for stream in streams:
            with self._transactions.turn() as cursor:
                cursor.execute(_FORGET_ERASED.replace("?", self._dialect.mark), tuple(stream))

    def fold_all(self, stopped: Event | None = None) -> None:
        """Until none is left, or the event is set."""
        while not (stopped and stopped.is_set()) and self.fold_next(stopped):
            pass

    def fold_next(self, stopped: Event | None = None) -> bool:
        """Folds the one of a machine that waits longest, the machines in turn; False where none waits.

        Where a retraction, an erasure or a conflict came meanwhile in this very stream, or somebody else folds it,
        it is given up; where it is still marked, it is folded once more. So it is when the event is set.
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
        """What a stream's fold depends on beside its events; None where nobody waits for it any more."""
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
        """Whether this process writes the stream's rows; whoever began to do so before gives up."""
        with self._transactions.short_turn() as cursor:
            return self._is_still_ours(cursor, refolded)

    def _is_still_ours(self, cursor: Any, refolded: Refolded) -> bool:
        """Whether nothing has changed; others see from now on that it goes on."""
        if refolded.fence is None or not self._holds(cursor, refolded, refolded.fence):
            return False
        position, beside, *rest = refolded.fence
        refolded.fence = (position, claim(cursor, self._dialect, refolded.stream.key, beside), *rest)
        return True

    def _holds(self, cursor: Any, refolded: Refolded, fence: Row) -> bool:
        """Where the epoch is the same, nothing was erased or taken back in any stream."""
        at = epoch(cursor)
        if at == refolded.epoch:
            cursor.execute(_MARK.replace("?", self._dialect.mark), refolded.stream.key)
            mark = cursor.fetchone()
            return mark is not None and tuple(mark) == fence[:2]
        refolded.epoch = at
        return self._fence(cursor, refolded.stream) == fence

    def _write_pieces(self, refolded: Refolded, folded: LongFold, stopped: Event) -> bool:
        """Writes what is not needed to go on with the stream; False where it is given up. Others come in between."""
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
        """Writes the stream's state, moved on by what came since, over its row."""
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
        """Moves the state on by what came since; the position of the first event that it lacks all the same."""
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
    """A thread that folds long streams as soon as they are marked; of the processor it takes what others leave."""

    def __init__(self, engine: Engine, code: Code, tick: float = TICK) -> None:
        self._streams = LongStreams(engine, code)
        self._tick = tick
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="hookfold-fold", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after the fold or the piece at work, or leaves it behind where that takes too long."""
        self._stopped.set()
        leave(self._thread)

    def _run(self) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own
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
            except Exception as error:
                _logger.exception("folding_failed", reason=cause_of(error))
