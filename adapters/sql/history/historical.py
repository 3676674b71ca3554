"""Rows of streams as of a time, shaped like `projections` and `measurements`, and the events they are folded from."""

from collections.abc import Callable, Iterable, Iterator
from heapq import merge
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from adapters.sql.projections.refold import MEASUREMENTS
from adapters.sql.projections.stored_events import BodyReader, to_event
from adapters.sql.queries.as_of import Repeat, StreamRow
from adapters.sql.queries.filters import STREAM_FILTERS, is_wanted
from adapters.sql.queries.streams import Measured, Projected, WantedStreams
from core.clocks import Clocks
from core.event import Event, Instant

_OPENED = itemgetter(MEASUREMENTS.names.index("opened"))


class Arrival(NamedTuple):
    """An event, when it was recorded, and the secret that verified it (None: unsigned).

    `retracted` is the position of the event that retracted it. `erased`: its body is gone, and with it all data. The
    fold skips both; the effect of erased events is in the state that was kept of their stream.
    """

    event: Event
    recorded_at: Instant
    verified_by: str | None
    retracted: int | None
    erased: bool = False

    @property
    def foldable(self) -> bool:
        return self.retracted is None and not self.erased


class StreamHistory(NamedTuple):
    """The events of a stream that a query covers, by position, and their repeated deliveries."""

    named: StreamRow
    arrivals: list[Arrival]
    repeats: list[Repeat]


class HistoricalRow(msgspec.Struct, gc=False):
    """The columns of a stream's row in `projections` by name, and its rows of `measurements`.

    If `of_measurements` has only those that are in the state, `left` returns the others, the newest first.
    """

    named: StreamRow
    columns: dict[str, Any]
    of_measurements: dict[Any, Any]
    left: Callable[[], Iterable[Any]] = tuple

    def projected(self) -> Projected:
        """The row as a query of the present returns it."""
        found, told = self.columns, self.named
        names = (found["source"], found["stream"], found["kind"], found["machine"], found["fingerprint"])
        rest = (told.provider_id, found["opened"], found["conflicts"], found["snapshot"])
        return Projected(*names, *rest, told.erased)

    def is_wanted(self, wanted: WantedStreams) -> bool:
        return is_wanted(STREAM_FILTERS, self.columns, wanted) and all(one.matches(self.columns) for one in wanted.due)

    def measured(self) -> Iterator[tuple[Measured, dict[str, Any]]]:
        """A session's measurements, the newest first, each with its columns."""
        told, machine = self.named, (self.columns["machine"], self.columns["fingerprint"])
        here = sorted(self.of_measurements.values(), key=_OPENED, reverse=True)
        for one in merge(here, self.left(), key=_OPENED, reverse=True):
            row = dict(zip(MEASUREMENTS.names, one, strict=True))
            names = (row["measurement"], row["measurement_id"], row["opened"], told.stream)
            rest = (told.provider_id, self.columns["snapshot"])
            yield Measured(told.source, *names, *machine, *rest, told.erased, row["record"]), row


def arrival_of(read: BodyReader, *row: Any) -> Arrival:
    """The arrival in a row of `queries.as_of.HISTORY`."""
    *stored, recorded_at, retracted, sequence, occurred_at = row
    position, key, kind, received_at, verified_by, body = stored
    if body is not None:
        return Arrival(to_event(*stored, read=read), recorded_at, verified_by, retracted)
    signed = verified_by is not None
    gone = Event(position, key, kind or "", sequence, occurred_at, received_at, signed, {}, known=False)
    return Arrival(gone, recorded_at, verified_by, retracted, erased=True)


def was_named(named: StreamRow, clocks: Clocks) -> bool:
    """Whether a stream without events, such as the device of an action, had been named by then."""
    return clocks.as_of is None or (named.named_at is not None and named.named_at <= clocks.as_of)
