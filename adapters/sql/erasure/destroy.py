"""Destroys bodies and other personal data, and keeps what the proofs and the projections need."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec

from adapters.sql.database import tables
from adapters.sql.dialects.dialect import Lookup, Row
from adapters.sql.projections.dirty_streams import DirtyStream, mark_dirty
from adapters.sql.projections.erased import Base, keep
from adapters.sql.projections.invalidation import Invalidator
from adapters.sql.projections.projection import (
    Projection,
    measurement_rows,
    projection_row,
    record_in,
    run_rows,
    runs_in,
)
from adapters.sql.projections.refold import FoldedStream, History
from adapters.sql.projections.versions import VersionMap, raise_epoch
from core.folding import fold
from core.header_codec import as_stored
from core.proofs.leaf import commitment
from core.redact import redact
from core.states.records import Measurement
from core.states.state import Run

_HELD = (
    " JOIN payloads p ON p.source = t.source AND p.position = t.position WHERE t.position > 0 AND p.body IS NOT NULL"
)
_OF_STREAMS = Lookup(
    "t.source, t.position, p.salt, p.headers, p.body, p.origin", tables.events, ("source", "opened", "stream"), _HELD
)
_LOOSE = Lookup(
    "t.source, t.position, p.salt, p.headers, p.body, p.origin", tables.events, ("source", "position"), _HELD
)
_ROWS = "SELECT fingerprint, machine, conflicts, snapshot FROM projections WHERE source = ? AND stream = ?"
_RUNS = "SELECT runs FROM runs WHERE source = ? AND stream = ? AND fingerprint = ? ORDER BY first"
_LEFT = "SELECT record FROM measurements WHERE source = ? AND stream = ? AND fingerprint = ? AND position IS NOT NULL"
_EMPTY = (
    "UPDATE payloads SET type = NULL, headers = NULL, body = NULL, salt = NULL, origin = NULL, "
    "commitment = ?, erased = ? WHERE source = ? AND position = ?"
)
_OF_EVENT = "UPDATE deliveries SET headers = NULL, body = NULL, hint = NULL WHERE source = ? AND position = ?"
_REJECTED = "UPDATE deliveries SET headers = NULL, body = NULL, hint = NULL WHERE source = ? AND delivery = ?"
_UNDELIVERED = "DELETE FROM relays WHERE source = ? AND position = ?"
_NAMELESS = "UPDATE streams SET provider_id = NULL WHERE source = ? AND stream = ?"
_FORGET = "DELETE FROM {} WHERE source = ? AND stream = ?"


class Search(msgspec.Struct, frozen=True):
    """The criteria of a search, to be checked again under the lock, and its last position and delivery.

    `names` are the texts that bodies were searched for, `user` the user among them. `aged` is a source and the position
    after which its streams may have no event. `devices` are erased because nothing else names them.
    """

    searched: int = 0
    deliveries: int = 0
    names: tuple[str, ...] = ()
    user: str | None = None
    aged: tuple[str, int] | None = None
    devices: tuple[Row, ...] = ()


class Erasable(msgspec.Struct):
    """What to erase: streams (source, our id), events without a stream (source, position), rejections by number.

    Only whole streams, because the rest of a stream without some of its bodies could not be folded.
    """

    streams: list[Row] = []
    loose: list[Row] = []
    rejections: list[Row] = []
    search: Search = Search()

    def __bool__(self) -> bool:
        return bool(self.streams or self.loose or self.rejections)


class Destroyer:
    """Works in the caller's transaction, which must hold the append lock."""

    def __init__(self, afresh: Invalidator) -> None:
        self._invalidator = afresh
        self._dialect = afresh.dialect

    def destroy(self, cursor: Any, found: Erasable, at: int) -> list[int]:
        """Erases, as the event at `at` records. Returns the positions of the events whose bodies are gone now."""
        streams = self._invalidator.streams(cursor, found.streams) if found.streams else []
        self._settle(cursor, streams, at)
        emptied = self._empty(cursor, streams, found.loose, at)
        self._run(cursor, _NAMELESS, [(one.source, one.stream) for one in streams])
        self._run(cursor, _REJECTED, found.rejections)
        raise_epoch(cursor, self._dialect)  # whoever remembers one of the streams forgets it
        return emptied

    def _settle(self, cursor: Any, streams: Sequence[DirtyStream], at: int) -> None:
        """Replaces the streams' rows in every version by their last state without personal data."""
        now = self._invalidator.version_map(cursor)
        kept: list[tuple[str, str, Base]] = []
        for history in self._invalidator.refolder.read(cursor, streams):
            projection = self._projection(cursor, history)
            if projection is not None:
                kept.append(self._redacted(projection, at))
                self._replace(cursor, projection, now, at)
        if kept:
            keep(cursor, self._dialect, kept)

    def _projection(self, cursor: Any, history: History) -> Projection | None:
        """The stream's state: folded, or the stored one if this code cannot fold it, else an empty one."""
        one = history.stream
        with suppress(
            Exception
        ):  # a fault of a fold, or a source that is no longer configured: it must stop no erasure
            return self._invalidator.refolder.projection(history)
        for version, name, conflicts, snapshot in self._stored(cursor, one):
            machine = fold.MACHINES.get(name)
            if machine is None:
                continue
            projection = Projection(one.source, one.stream, one.kind, one.provider_id, machine, version)
            projection.opened, projection.conflicts, projection.base = one.opened, conflicts, history.base
            projection.state = machine.State()
            with suppress(msgspec.DecodeError):
                projection.state = fold.decode(machine, snapshot)
                projection.state.over = self._runs_over(cursor, projection)
                projection.state.take_back(self._measurements_left(cursor, projection))
            return projection
        return None

    def _stored(self, cursor: Any, one: DirtyStream) -> Sequence[Row]:
        return list(self._dialect.run(cursor, _ROWS, one.source, one.stream).fetchall())

    def _runs_over(self, cursor: Any, one: Projection) -> list[Run]:
        """The runs that have left the stored snapshot, whose rows are about to be deleted."""
        blocks = self._dialect.run(cursor, _RUNS, one.source, one.stream, one.version).fetchall()
        return [run for (block,) in blocks for run in runs_in(block)]

    def _measurements_left(self, cursor: Any, one: Projection) -> list[Measurement]:
        """The same for measurements."""
        rows = self._dialect.run(cursor, _LEFT, one.source, one.stream, one.version).fetchall()
        return [record_in(bytes(record)) for (record,) in rows]

    def _redacted(self, one: Projection, at: int) -> tuple[str, str, Base]:
        """Removes personal data from the projection, and makes it the stream's base."""
        measured = {row[_POSITION]: row[_OURS] for row in measurement_rows(self._invalidator.ids, one).values()}
        redact(one.state)
        one.base = Base(at, measured, fold.encode(one.state))
        return one.source, one.stream, one.base

    def _replace(self, cursor: Any, one: Projection, now: VersionMap, at: int) -> None:
        """Writes this code's row. Other code folds its own from the base, since the stream is marked for it."""
        own = now.machines[one.machine.name]
        where, one.version = (one.source, one.stream), own.version
        for table in ("projections", "measurements", "runs", "prefixes"):
            self._run(cursor, _FORGET.format(table), [where])
        if own.built:
            stream = DirtyStream(*where, one.kind, one.provider_id, one.opened, own.version)
            row, measured = projection_row(self._invalidator.ids, one), measurement_rows(self._invalidator.ids, one)
            self._invalidator.refolder.write(cursor, [FoldedStream(stream, row, measured, run_rows(one))])
        versions = own.to_mark
        if versions:
            mark_dirty(cursor, self._dialect, [(*where, version, at) for version in versions])

    def _empty(self, cursor: Any, streams: Sequence[DirtyStream], loose: Sequence[Row], at: int) -> list[int]:
        covered: dict[Row, bytes] = {}
        keys = [(one.source, one.opened, one.stream) for one in streams]
        for find, some in ((_OF_STREAMS, keys), (_LOOSE, loose)):
            rows = self._dialect.lookup(cursor, find, some) if some else ()
            covered |= {(source, position): _covered(*rest) for source, position, *rest in rows}
        emptied = [(kept, at, *where) for where, kept in covered.items()]
        self._run(cursor, _EMPTY, emptied)
        self._run(cursor, _OF_EVENT, list(covered))
        self._take_from_outbox(cursor, list(covered))
        return sorted(position for _, position in covered)

    def _take_from_outbox(self, cursor: Any, events: Sequence[Row]) -> None:
        """Deletes deliveries under the relay locks, because changing the same rows in another order would deadlock."""
        for source in sorted({source for source, _ in events}):
            self._dialect.alone_with(cursor, source)
        self._run(cursor, _UNDELIVERED, events)

    def _run(self, cursor: Any, sql: str, rows: Sequence[Row]) -> None:
        if rows:
            cursor.executemany(sql.replace("?", self._dialect.mark), rows)


def _covered(salt: bytes, headers: bytes, body: bytes, origin: bytes | None) -> bytes:
    """The commitment to a payload. If its headers were altered, it does not match the leaf, so that stays visible."""
    return commitment(salt, as_stored(headers), body, origin)


_OURS, _POSITION = (list(tables.measurements.c.keys()).index(name) for name in ("measurement", "opened"))
