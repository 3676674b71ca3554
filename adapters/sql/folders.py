"""Reads and folds chunks of streams: in this process, or in several, where the machine has the cores."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from adapters.sql.marks import Waiting
from adapters.sql.refold import Failed, Folded, Refolder
from adapters.sql.transactions import Transactions


class Chunk(msgspec.Struct, gc=False):
    """Streams with what became of each, and how many events were read for it."""

    streams: Sequence[Waiting]
    folded: list[Folded | Failed]
    events: int


def fold_chunks(transactions: Transactions, refolder: Refolder, chunks: Iterable[Sequence[Waiting]]) -> Iterator[Chunk]:
    """The chunks in their order, each folded."""
    for streams in chunks:
        yield fold_chunk(transactions, refolder, streams)


def fold_chunk(transactions: Transactions, refolder: Refolder, streams: Sequence[Waiting]) -> Chunk:
    """Reads the streams, then folds them without holding a connection."""
    with transactions.reading() as cursor:
        histories = refolder.read(cursor, streams)
    events = sum(len(history.events) for history in histories)
    return Chunk(streams, [refolder.fold(history) for history in histories], events)
