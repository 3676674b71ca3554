"""What a fold leaves behind: the part that every machine's state has, and what makes a machine foldable."""

from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Any

import msgspec

from core.event import SECOND, Anomaly, Event, Instant, Note
from core.machines.table import Arm, Table

HELD = 20
"""Runs that a state holds at least, the newest ones."""

BLOCK = 50
"""Ended runs leave a state together, so many at a time."""


class Settings(msgspec.Struct, frozen=True, gc=False):
    """What a source's configuration says to the fold and to the derived values. Durations in microseconds."""

    package_name: str | None = None
    overdue_after: Instant | None = None
    presumed_ended_after: Instant | None = None


NOTHING_SET = Settings()

NEWEST = 100
"""Anomalies that a state holds, and that a measurement does; all are counted."""


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
        """Seconds from start to end; None while one of them is unknown."""
        if self.started_at is None or self.ended_at is None:
            return None
        return (self.ended_at - self.started_at) / SECOND


class Moves(msgspec.Struct, array_like=True, gc=False):
    """What moved a run of so many `events`: the first one, and the last one that led the first region elsewhere.

    `first` and `last` are positions; 0: none yet. Where nothing has `led` it elsewhere, `last` moved some region.
    """

    run: int = 0
    events: int = 0
    first: int = 0
    last: int = 0
    led: bool = False


class State(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What is known of a stream. Read its attributes: the encoded form uses short names, it is written for each event.

    `run` counts the runs that began (0: none); `runs` are the newest ones, `over` the whole blocks that have left them
    and were not taken out yet, to be kept elsewhere. `position` is the highest, `first_at` and `last_at` the earliest
    and the latest occurred_at. `data` holds the latest documented fields under their snake_case names. `anomalies` are
    the newest ones, sorted by position, then kind; `counts` tells of each kind how many there are in all. Where the
    order is one of time, `tail` is the canonical place of the last event, and `waiting` tells of a handler's outcome
    whose event is not there yet. `moves` tells of the present run.
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
        """The state of each region; empty for a machine that has none."""
        return {}

    @property
    def stands(self) -> tuple[str, ...]:
        """Where each region is, the first one in front."""
        return (self.state,)

    def note_move(self, event: Event, stood: tuple[str, ...], arm: Arm) -> None:
        """What an event, just folded, did for the present run. One that begins a run moves it, if a row lists it."""
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
        """A run begins; nothing changes any more those that are before the last one."""
        self.run += 1
        self.runs.append(Run(self.run, at))
        if len(self.runs) == HELD + BLOCK:
            self.over += self.runs[:BLOCK]
            del self.runs[:BLOCK]

    def mark(self, kind: str, event: Event, detail: str) -> None:
        """Records an anomaly of the event, which `marked` takes in once all of them are there."""
        self.anomalies.append(Anomaly(kind, event.position, detail))

    def subject(self, _: Event, /) -> int | None:
        """The first position of the measurement that an event, just folded, belongs to; None elsewhere."""
        return None

    def records(self) -> list[Any]:
        """What in the stream has a record of its own, as far as it is here: measurements."""
        return []

    def elsewhere(self, _: Event, /) -> str | None:
        """The id that an event names of a record that may have left the state."""
        return None

    def take_back(self, records: Iterable[Any]) -> None:
        """Takes records that are kept elsewhere, which are no longer."""

    def taken_out(self) -> None:
        """What has left it is kept elsewhere from now on."""
        self.over = []

    def unname(self) -> None:
        """Takes the ids of records away, by which later events would find them."""

    def shed(self) -> None:
        """Drops what the last event left behind and no later one looks at, for who tells it elsewhere."""
        self.anomalies.clear()
        self.over.clear()
        del self.runs[:-1]

    def marked(self, fresh: Sequence[Anomaly]) -> None:
        """Takes in an event's anomalies, sorted, once it is folded."""
        take_in(self.anomalies, self.counts, fresh)

    def take(self, table: Table, event: Event) -> Arm:
        """Makes the event's step in the table that moves `state`, and marks it where the row says so."""
        arm = table.pick(self.state, event.type, self, event)
        if arm.marks is not None:
            self.mark(arm.marks, event, f"{event.type} while {self.state}")
        if arm.to is not None:
            self.state = arm.to
        return arm

    def keep(self, names: frozenset[str], event: Event) -> None:
        """Takes the named fields of the event as the latest ones."""
        if names.isdisjoint(event.data):
            return
        for name, value in event.data.items():
            if name in names and value is not None:
                self.data[name] = value


def take_in(kept: list[Anomaly], counts: dict[str, int], fresh: Sequence[Anomaly]) -> None:
    """Adds anomalies to the newest ones, and to how many there are of each kind: the same for every order."""
    for one in fresh:
        counts[one.kind] = counts.get(one.kind, 0) + 1
        insort(kept, one, key=by_position_and_kind)
    del kept[:-NEWEST]


def by_position_and_kind(anomaly: Anomaly) -> tuple[int, str]:
    """The order of a list of anomalies."""
    return anomaly.position, anomaly.kind


class Stretch(msgspec.Struct, gc=False):
    """Events that follow one another in canonical order: a run where runs are found from outside, else all of them.

    `opened` and `until` are the first and the last second of a run, `began` its first event's time; `overlap` is the
    position of the event that opened it with a number that the run before had seen; `tail` and `waiting` are those of
    the State. `goes_on`: it is the rest of the stretch in which a state ends.
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
class Kind:
    """A machine as the fold drives it.

    `arrange` brings a set of events into canonical order; `begin` readies the state for a stretch; `follow` does the
    same for one event more, telling what its place makes of it, or None when it is not the last in canonical order;
    `go_on` arranges events that all come behind those of a state, or tells None where one of them may not;
    `step` folds one event and tells the row that applied; `skip` passes by one that no machine may be moved by.
    `revision` is raised when an effect changes that neither the rows nor the guards nor the state's fields show, or
    what readings say of the same body, or what is stored beside the states: projections are then folded anew.
    """

    name: str
    tables: tuple[Table, ...]
    State: type[Any]
    arrange: Callable[[Iterable[Event]], list[Stretch]]
    begin: Callable[[Any, Stretch], None]
    follow: Callable[[Any, Event], tuple[Note, ...] | None]
    go_on: Callable[[Any, Iterable[Event]], list[Stretch] | None]
    step: Callable[[Any, Event, Settings], Arm]
    skip: Callable[[Any, Event], None] = lambda _state, _event: None
    revision: int = 1

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits: what two builds must share to share stored projections."""
        shape = _wordless(msgspec.json.schema(self.State))
        text = repr((self.name, self.revision, [table.text() for table in self.tables], shape))
        return sha256(text.encode()).hexdigest()[:16]

    def describe(self) -> dict[str, Any]:
        """For `GET /v1/machines`: name, fingerprint, and each region's states, initial state and transitions."""
        return {"name": self.name, "fingerprint": self.fingerprint, "regions": [t.describe() for t in self.tables]}

    def mermaid(self) -> dict[str, str]:
        """The Mermaid text of each region's diagram."""
        return {table.name: table.mermaid() for table in self.tables}

    @cached_property
    def decoder(self) -> msgspec.msgpack.Decoder[Any]:
        """Reads an encoded State back."""
        return msgspec.msgpack.Decoder(self.State)


def _wordless(schema: Any) -> Any:
    """A JSON schema without its docstrings: better words are no other schema."""
    if isinstance(schema, dict):
        return {name: _wordless(part) for name, part in schema.items() if name != "description"}
    return [_wordless(part) for part in schema] if isinstance(schema, list) else schema
