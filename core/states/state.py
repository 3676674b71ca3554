"""The state that a fold produces, as far as all machines share it, and the interface of a machine to the fold."""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from core.event import SECOND, Anomaly, Event, Instant, Note
from core.states.table import Table, Transition

HELD = 20
"""The fewest runs that a state holds, the newest ones."""

BLOCK = 50
"""Ended runs leave a state in blocks of this size."""


class Settings(msgspec.Struct, frozen=True, gc=False):
    """The part of a source's configuration that the fold and the derived values use. Durations in microseconds."""

    package_name: str | None = None
    overdue_after: Instant | None = None
    presumed_ended_after: Instant | None = None


NOTHING_SET = Settings()

NEWEST = 100
"""The most anomalies that a state or a measurement holds. All are counted."""


class Run(msgspec.Struct, array_like=True, gc=False):
    """One life of a stream whose id is used again. `ended_by` is an event's type, `superseded` or `failed`."""

    run: int
    started_at: Instant | None = None
    ended_at: Instant | None = None
    ended_by: str | None = None
    reason: str | None = None
    restarted: bool = False

    @property
    def duration_s(self) -> float | None:
        """Seconds from start to end; None if one of them is unknown."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) / SECOND


class Moves(msgspec.Struct, array_like=True, gc=False):
    """The moves of a run of `events` events: its first one, and the last one that changed the first region's state.

    `first` and `last` are positions; 0: none yet. Until an event has `led` the first region to another state, `last` is
    one that moved any region.
    """

    run: int = 0
    events: int = 0
    first: int = 0
    last: int = 0
    led: bool = False


class State(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """A stream's state. The encoded form uses short names, because it is written for each event.

    `run` counts the runs (0: none); `runs` are the newest ones, `over` the blocks that have left them and are not
    stored elsewhere yet. `position` is the highest, `first_at` and `last_at` are the earliest and latest occurred_at.
    `data` holds the latest documented fields under their snake_case names. `anomalies` are the newest ones, sorted by
    position, then kind; `counts` has the number of all by kind. If events are ordered by time, `tail` is the canonical
    place of the last event, and `waiting` is true while a handler's outcome lacks its event. `moves` belongs to the
    current run.
    """

    state: str = msgspec.field(name="s")
    outcome: str | None = msgspec.field(default=None, name="o")
    run: int = msgspec.field(default=0, name="r")
    runs: list[Run] = msgspec.field(default_factory=list, name="rs")
    over: list[Run] = msgspec.field(default_factory=list, name="ro")
    anomalies: list[Anomaly] = msgspec.field(default_factory=list, name="a")
    counts: dict[str, int] = msgspec.field(default_factory=dict, name="ac")
    unsigned: bool = msgspec.field(default=False, name="u")
    events: int = msgspec.field(default=0, name="n")
    position: int = msgspec.field(default=0, name="p")
    first_at: Instant | None = msgspec.field(default=None, name="f")
    last_at: Instant | None = msgspec.field(default=None, name="l")
    user_id: str | None = msgspec.field(default=None, name="ui")
    data: dict[str, Any] = msgspec.field(default_factory=dict, name="d")
    tail: tuple[int | str, ...] = msgspec.field(default=(), name="t")
    waiting: bool = msgspec.field(default=False, name="w")
    moves: Moves = msgspec.field(default_factory=Moves, name="mv")

    @property
    def regions(self) -> dict[str, str]:
        """The state of each region; empty for a machine without regions."""
        return {}

    @property
    def stands(self) -> tuple[str, ...]:
        """The state of each region, the first region first."""
        return (self.state,)

    def note_move(self, event: Event, stood: tuple[str, ...], arm: Transition) -> None:
        """Counts an event, just folded, among the run's moves. An event that begins a run by a listed row is a move."""
        moves = self.moves
        if moves.run != self.run:
            moves = self.moves = Moves(self.run)
        moves.events += 1
        stands = self.stands
        if stands == stood and (moves.events > 1 or not self.run or arm.to is None):
            return
        moves.first = moves.first or event.position
        led = stands[0] != stood[0]
        if led or not moves.led:
            moves.last, moves.led = event.position, led

    def begin(self, at: Instant | None) -> None:
        """Begins a run. Nothing changes the runs before the previous one any more."""
        self.run += 1
        self.runs.append(Run(self.run, at))
        if len(self.runs) == HELD + BLOCK:
            self.over += self.runs[:BLOCK]
            del self.runs[:BLOCK]

    def mark(self, kind: str, event: Event, detail: str) -> None:
        """Records an anomaly of the event. `marked` sorts it in once the event is folded."""
        self.anomalies.append(Anomaly(kind, event.position, detail))

    def subject(self, _: Event, /) -> int | None:
        """The first position of the measurement that took the event just folded; None for other machines."""
        return None

    def records(self) -> list[Any]:
        """The parts of the stream with a record of their own (measurements), as far as the state holds them."""
        return []

    def elsewhere(self, _: Event, /) -> str | None:
        """The id that an event names, if its record may have left the state."""
        return None

    def take_back(self, records: Iterable[Any]) -> None:
        """Takes back records that were stored elsewhere."""

    def taken_out(self) -> None:
        """Drops what has left the state: it is stored elsewhere from now on."""
        self.over = []

    def unname(self) -> None:
        """Removes the ids of records, so that later events do not find them."""

    def shed(self) -> None:
        """Drops what the last event added and no later event reads. For callers that yield it at once."""
        self.anomalies.clear()
        self.over.clear()
        del self.runs[:-1]

    def marked(self, fresh: Sequence[Anomaly]) -> None:
        """Adds the anomalies of an event, sorted, once it is folded."""
        take_in(self.anomalies, self.counts, fresh)

    def take(self, table: Table, event: Event) -> Transition:
        """Applies the event's row in the table that moves `state`, and records the row's anomaly, if any."""
        arm = table.pick(self.state, event.type, self, event)
        if arm.marks is not None:
            self.mark(arm.marks, event, f"{event.type} while {self.state}")
        if arm.to is not None:
            self.state = arm.to
        return arm

    def keep(self, names: frozenset[str], event: Event) -> None:
        """Copies the named fields of the event into `data`."""
        if names.isdisjoint(event.data):
            return
        for name, value in event.data.items():
            if name in names and value is not None:
                self.data[name] = value


def take_in(kept: list[Anomaly], counts: dict[str, int], fresh: Sequence[Anomaly]) -> None:
    """Adds anomalies to the newest ones and to the counts by kind. The result does not depend on the order."""
    for one in fresh:
        counts[one.kind] = counts.get(one.kind, 0) + 1
        insort(kept, one, key=by_position_and_kind)
    del kept[:-NEWEST]


def by_position_and_kind(anomaly: Anomaly) -> tuple[int, str]:
    """The sort key of anomalies."""
    return anomaly.position, anomaly.kind


class Segment(msgspec.Struct, gc=False):
    """Consecutive events in canonical order: one run if `core.ordering.runs` finds the runs, else all events.

    `opened` and `until` are the first and last second of a run, `began` its first event's time. `overlap` is the
    position of the event that opened it with a number that the run before had seen. `tail` and `waiting` as in State.
    `goes_on`: it continues the stretch in which a state ends.
    """

    events: Iterable[Event]
    opened: int = 0
    until: int = 0
    overlap: int | None = None
    began: Instant | None = None
    tail: tuple[int | str, ...] = ()
    waiting: bool = False
    goes_on: bool = False


@dataclass(frozen=True)
class StateMachine:
    """A machine as the fold uses it.

    `arrange` puts a set of events into canonical order. `begin` prepares the state for a stretch. `follow` prepares it
    for one more event and returns the notes that its place gives it, or None if it is not the last in canonical order.
    `go_on` arranges events that all follow those of a state, or returns None if one may not. `step` folds one event and
    returns the row that applied. `skip` folds an event that must not move the machine. Raise `revision` when a change
    shows neither in the rows, the guards nor the state's fields, such as an effect, the reading of a body, or what is
    stored beside the states: projections are then folded again.
    """

    name: str
    tables: tuple[Table, ...]
    State: type[Any]
    arrange: Callable[[Iterable[Event]], list[Segment]]
    begin: Callable[[Any, Segment], None]
    follow: Callable[[Any, Event], tuple[Note, ...] | None]
    go_on: Callable[[Any, Iterable[Event]], list[Segment] | None]
    step: Callable[[Any, Event, Settings], Transition]
    skip: Callable[[Any, Event], None] = lambda _state, _event: None
    revision: int = 1

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits. Two builds share stored projections only if their fingerprints are equal."""
        shape = _wordless(msgspec.json.schema(self.State))
        text = repr((self.name, self.revision, [table.text() for table in self.tables], shape))
        return sha256(text.encode()).hexdigest()[:16]

    def table_of(self, trigger: str) -> Table | None:
        """The table of the region that the trigger moves; None if no row lists it."""
        return next((table for table in self.tables if trigger in table.triggers), None)

    def describe(self) -> dict[str, Any]:
        """For `GET /v1/machines`: name, fingerprint, and each region's states, initial state and transitions."""
        return {"name": self.name, "fingerprint": self.fingerprint, "regions": [t.describe() for t in self.tables]}

    def mermaid(self) -> dict[str, str]:
        """The Mermaid text of each region's diagram."""
        return {table.name: table.mermaid() for table in self.tables}

    @cached_property
    def decoder(self) -> msgspec.msgpack.Decoder[Any]:
        """Decodes an encoded State."""
        return msgspec.msgpack.Decoder(self.State)


def _wordless(schema: Any) -> Any:
    """A JSON schema without its docstrings, so that new wording does not change the fingerprint."""
    if isinstance(schema, dict):
        return {name: _wordless(part) for name, part in schema.items() if name != "description"}
    return [_wordless(part) for part in schema] if isinstance(schema, list) else schema
