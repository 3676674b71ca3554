"""Folds long streams anew beside the appends: in a thread, with the append lock for nothing but the result."""

import os
import sys
from threading import Event, Thread, get_native_id
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
    DirtyStream,
    clear,
    mark_dirty,
    still_lacks,
    waiting_beside,
)
from adapters.sql.projections.projection import Code, Projection
from adapters.sql.projections.refold import Refolder, fault
from adapters.sql.projections.stored_events import stream_rows, to_event
from adapters.sql.projections.versions import VersionMap, all_versions, epoch, version_map
from core import fold

TICK = 0.2
"""Seconds between two looks at the marks."""

_NICE = 10
_FENCE = (
    "SELECT u.position, u.beside, (SELECT e.position FROM erased e WHERE e.source = u.source AND e.stream = u.stream), "
    "(SELECT count(*) FROM retractions r WHERE r.source = u.source AND u.stream = "
    "(SELECT e.stream FROM events e WHERE e.source = r.source AND e.position = r.position)) "
    "FROM unfolded u WHERE u.source = ? AND u.stream = ? AND u.version = ?"
)
_logger = structlog.get_logger()


class Refolded(msgspec.Struct, gc=False):
    """A stream folded up to its event at `position`, and the rows of its measurements that are stored.

    `fence`: its mark, and what else its fold depends on; None where the mark was gone. `projection` is None where it
    cannot be folded: `error`.
    """

    fence: Row | None
    stream: DirtyStream
    position: int
    stored: dict[Row, Row] = {}
    projection: Projection | None = None
    error: str = ""


class LongStreams:
    """What this code has to fold beside the appends. Every method raises Unavailable while the database is away."""

    def __init__(self, engine: Engine, code: Code) -> None:
        self._transactions = Transactions(engine)
        self._dialect = self._transactions.dialect
        self._refolder = Refolder(self._dialect, code)
        self._code = code
        self._version_map = VersionMap("", {}, nothing_pending=False)
        self._turn = 0

    def fold_all(self, stopped: Event | None = None) -> None:
        """Until none is left, or the event is set."""
        while not (stopped and stopped.is_set()) and self.fold_next():
            pass

    def fold_next(self) -> bool:
        """Folds the one of a machine that waits longest, the machines in turn; False where none waits.

        Where a retraction, an erasure or a conflict came meanwhile in this very stream, or somebody else folded it,
        nothing is written; where it is still marked, it is folded once more.
        """
        stream = self._next()
        if stream is not None:
            folded = self._fold(stream)
            with self._transactions.turn() as cursor:
                if folded.fence is not None and self._fence(cursor, stream) == folded.fence:
                    self._write(cursor, folded)
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
            folded = Refolded(self._fence(cursor, stream), stream, stream.opened)
            folded.stored = self._refolder.measured(cursor, stream.key)
            try:
                folded.projection, folded.position = self._refolder.long_projection(cursor, stream)
            except Exception as error:
                if is_from_driver(error):
                    raise
                folded.error = fault(error)  # of ours: it is told with the mark
        return folded

    def _write(self, cursor: Any, folded: Refolded) -> None:
        stream, one = folded.stream, folded.projection
        lacks = None if one is None else self._advance(cursor, one, folded)
        if one is None or folded.error:
            _logger.error("fold_failed", source=stream.source, stream=stream.stream, error=folded.error)
            mark_dirty(cursor, self._dialect, [(*stream.key, folded.position)], folded.error)
            return
        self._refolder.replace(cursor, one, folded.stored)
        if lacks is None:
            clear(cursor, self._dialect, [msgspec.structs.replace(stream, token=0)])
        else:
            still_lacks(cursor, self._dialect, stream.key, lacks)

    def _advance(self, cursor: Any, one: Projection, folded: Refolded) -> int | None:
        """Moves the state on by what came since; the position of the first event that it lacks all the same."""
        source = self._code.sources[one.source]
        place = (one.source, one.stream, one.opened)
        rows = stream_rows(cursor, self._dialect, *place, after=folded.position, limit=AT_ONCE + 1)
        for row in rows[:AT_ONCE]:
            try:
                if not fold.advance(one.machine, one.state, to_event(*row, read=source.read), source.settings):
                    return int(row[0])
            except Exception as error:  # noqa: BLE001 - a fault of ours, which is told with the mark
                folded.error = fault(error)
                return int(row[0])
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
        """Ends the thread after the stream that it folds, or leaves it behind where that takes too long."""
        self._stopped.set()
        leave(self._thread)

    def _run(self) -> None:
        if sys.platform == "linux":  # where a thread has a priority of its own
            os.setpriority(os.PRIO_PROCESS, get_native_id(), _NICE)
        while not self._stopped.wait(self._tick):
            try:
                self._streams.fold_all(self._stopped)
            except Exception as error:
                _logger.exception("folding_failed", reason=cause_of(error))
