"""Reads and folds chunks of streams, in this process or together with helpers if the machine has spare cores."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, takewhile

import msgspec
import structlog

from adapters.sql.database.transactions import Transactions
from adapters.sql.projections.dirty_streams import DirtyStream
from adapters.sql.projections.refold import FailedStream, FoldedStream, History, Refolder
from adapters.sql.replay.helpers import Died, Helper, done, helping
from adapters.sql.replay.stream_cursor import CHUNK

_logger = structlog.get_logger()

PIECE = 20
"""Streams that this process folds between two checks for idle helpers."""

LOAD = 10
"""Pieces that a helper gets at a time: as much work as it takes to read or write a chunk."""

MOST = 10 * LOAD
"""The most pieces in memory. No more are read while the first one is not folded."""

MOST_EVENTS = 50_000
"""The most events in memory. No more are read until some are folded, however few streams they belong to."""


class FoldedChunk(msgspec.Struct, gc=False):
    """Folded streams, and how many events were read for them."""

    streams: Sequence[DirtyStream]
    folded: list[FoldedStream | FailedStream]
    events: int


class WorkUnit(msgspec.Struct, gc=False):
    """Streams that are folded together, by this process or a helper. `folded` is None until then.

    Their `histories` are held until then, because a helper may die. `events` counts their events.
    """

    streams: list[DirtyStream]
    histories: list[History]
    events: int
    folded: list[FoldedStream | FailedStream] | None = None

    def become(self, folded: list[FoldedStream | FailedStream]) -> None:
        """Sets the result."""
        self.folded, self.histories = folded, []


def fold_chunks(
    transactions: Transactions, refolder: Refolder, chunks: Iterator[Sequence[DirtyStream]], helpers: int = 0
) -> Generator[FoldedChunk, None, None]:
    """Folds the streams in order and yields them a chunk at a time.

    Uses `helpers` more processes if there is more than one chunk.
    """
    first = next(chunks, ())
    second = next(chunks, ()) if helpers else ()
    if not second:
        for streams in chain([first] if first else (), chunks):
            yield fold_chunk(transactions, refolder, streams)
        return
    with helping(helpers, refolder.fold) as ready:
        yield from _Together(transactions, refolder, chain([first, second], chunks), ready).fold()


def fold_chunk(transactions: Transactions, refolder: Refolder, streams: Sequence[DirtyStream]) -> FoldedChunk:
    """Reads the streams, then folds them without holding a connection."""
    histories = _read(transactions, refolder, streams)
    return FoldedChunk(streams, [refolder.fold(history) for history in histories], _count(histories))


class _Together:
    """Folds with helpers. `pieces` are those read and not yielded yet, in order; `waiting` are those not assigned."""

    def __init__(
        self,
        transactions: Transactions,
        refolder: Refolder,
        chunks: Iterator[Sequence[DirtyStream]],
        helpers: Sequence[Helper],
    ) -> None:
        self._transactions = transactions
        self._refolder = refolder
        self._chunks = chunks
        self._idle = list(helpers)
        self._busy: dict[Helper, list[WorkUnit]] = {}
        self._pieces: deque[WorkUnit] = deque()
        self._waiting: deque[WorkUnit] = deque()
        self._all_read = False

    def fold(self) -> Iterator[FoldedChunk]:
        """Feeds helpers first, then does what only this process can do, then folds itself."""
        while self._pieces or not self._all_read:
            self._take(patient=False)
            self._give()
            if chunk := self._folded():
                yield chunk
            elif self._may_read():
                self._read()
            elif self._waiting:
                self._fold_one()
            else:
                self._take(patient=True)

    def _take(self, *, patient: bool) -> None:
        for helper in done(list(self._busy), patient=patient) if self._busy else ():
            load = self._busy.pop(helper)
            try:
                folded = iter(helper.take())
            except Died as death:  # the others take over its work
                _logger.warning("helper_died", reason=str(death))
                self._waiting.extendleft(reversed(load))
                continue
            for piece in load:
                piece.become([next(folded) for _ in piece.histories])
            self._idle.append(helper)

    def _give(self) -> None:
        while self._idle and self._waiting:
            helper, load = self._idle.pop(), [self._waiting.popleft() for _ in range(min(LOAD, len(self._waiting)))]
            helper.give([history for piece in load for history in piece.histories])
            self._busy[helper] = load

    def _may_read(self) -> bool:
        if self._all_read or len(self._waiting) >= LOAD or len(self._pieces) >= MOST:
            return False
        return sum(piece.events for piece in self._pieces if piece.folded is None) < MOST_EVENTS

    def _read(self) -> None:
        streams = next(self._chunks, ())
        self._all_read = not streams
        histories = _read(self._transactions, self._refolder, streams)
        pieces = [_piece(histories[start : start + PIECE]) for start in range(0, len(histories), PIECE)]
        self._pieces += pieces
        self._waiting += pieces

    def _fold_one(self) -> None:
        piece = self._waiting.popleft()
        piece.become([self._refolder.fold(history) for history in piece.histories])

    def _folded(self) -> FoldedChunk | None:
        """The next folded pieces in order, if they make a chunk or are the rest."""
        ready = sum(1 for _ in takewhile(lambda piece: piece.folded is not None, self._pieces))
        if ready * PIECE < CHUNK and not (self._all_read and ready == len(self._pieces)):
            return None
        return _chunk([self._pieces.popleft() for _ in range(ready)])


def _piece(histories: list[History]) -> WorkUnit:
    return WorkUnit([history.stream for history in histories], histories, _count(histories))


def _chunk(pieces: Sequence[WorkUnit]) -> FoldedChunk:
    streams = [stream for piece in pieces for stream in piece.streams]
    folded = [one for piece in pieces for one in piece.folded or ()]
    return FoldedChunk(streams, folded, sum(piece.events for piece in pieces))


def _read(transactions: Transactions, refolder: Refolder, streams: Sequence[DirtyStream]) -> list[History]:
    with transactions.reading() as cursor:
        return refolder.read(cursor, streams)


def _count(histories: Iterable[History]) -> int:
    return sum(len(history.events) for history in histories)
