"""The measurements of a wms session: which events belong to each, and its state and outcome."""

from bisect import insort
from collections.abc import Iterable, Sequence

import msgspec

from core.event import Anomaly, Event, Instant
from core.states.state import State, take_in

STARTS, CREATED, RESULTS = "MEASUREMENT_STARTED", "MEASUREMENT_CREATED", "RESULTS_RECEIVED"
ENDS = frozenset(
    "MEASUREMENT_CANCELED LOW_SNR CONSTRAINT_VIOLATION GENERAL_ERROR API_ERROR "
    "REDIRECTING_TO_CALLBACK PAGE_UNLOADED".split()
)
"""Events that may end a measurement."""

TELLING = frozenset({STARTS, CREATED, "INTERMEDIATE_RESULTS", "SCAN_COMPLETED", RESULTS})
"""Events that only a measurement which has begun can send."""

OVER, BEGUN = frozenset({"completed", "canceled", "failed", "abandoned", "redirecting", "closed"}), "created"
"""If the sequence is in one of the states OVER, a measurement whose start was not seen has begun since, in state
BEGUN."""

GONE = frozenset({"closed", "abandoned"})
"""The states after PAGE_UNLOADED."""


NEWEST_CHUNKS = 200
"""The most chunks that a measurement holds. All are counted."""

KEPT = 4
"""The fewest measurements that a state holds, the newest ones."""


class Chunk(msgspec.Struct, array_like=True, gc=False):
    """One intermediate result. `sequence` numbers the results, not the session's events; `snr` is in decibels."""

    sequence: int | None
    snr: float | None
    at: Instant | None
    position: int


class Measurement(msgspec.Struct, array_like=True, gc=False):
    """One measurement. `position` and `key` (hex) are those of its first event; `number` that event's sequence.

    `measurement_id` is None until the provider gives one. `steps` has the time of the first event of each type.
    `complete`: it began with MEASUREMENT_STARTED, and no number is missing from there to its end, or so far (for one
    that did not end: until KEPT others had begun). `snr` holds the newest of its `chunks`, `anomalies` its newest
    anomalies, `counts` their number by kind. `place` numbers the session's measurements from 0. `last` is the highest
    position among its events.
    """

    measurement_id: str | None
    run: int
    position: int
    key: str
    number: int
    state: str
    complete: bool
    started_at: Instant | None
    ended_at: Instant | None = None
    outcome: str | None = None
    steps: dict[str, Instant | None] = {}
    snr: list[Chunk] = []
    anomalies: list[Anomaly] = []
    counts: dict[str, int] = {}
    chunks: int = 0
    place: int = 0
    last: int = 0


class MeasurementState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data`: code, details.

    `measurements` are the newest of all that have `begun`, and the one that took the last event, in the order in which
    they began. The others have left the list. Until they are stored elsewhere they are `settled` by their ids, or
    `nameless`. Before an event that names one of those (`elsewhere`) is folded, the caller must put it back among the
    `settled`. `unended` counts those that left without an outcome. `owners` maps the positions of held anomalies to the
    first positions of their measurements.

    `took` is the place of the measurement that took the last event, if that is not the current one (-1). Of the open
    run: `current` is the place of its current measurement (-1: none), `highest` the highest number, `count` how many
    numbers there are, `hole` the number after its last gap (-1: none), `opened` its first second; `came` is 1 after an
    event of a measurement, 2 after its results. `second` is the last second of the whole session.
    """

    state: str = "waiting"
    connection: str = msgspec.field(default="unknown", name="c")
    visibility: str = msgspec.field(default="unknown", name="v")
    measurements: list[Measurement] = msgspec.field(default_factory=list, name="m")
    settled: dict[str, Measurement] = msgspec.field(default_factory=dict, name="ms")
    nameless: list[Measurement] = msgspec.field(default_factory=list, name="mn")
    begun: int = msgspec.field(default=0, name="mb")
    unended: int = msgspec.field(default=0, name="mu")
    owners: dict[int, int] = msgspec.field(default_factory=dict, name="mo")
    current: int = msgspec.field(default=-1, name="mc")
    took: int = msgspec.field(default=-1, name="mt")
    highest: int = msgspec.field(default=-1, name="h")
    count: int = msgspec.field(default=0, name="k")
    hole: int = msgspec.field(default=-1, name="g")
    opened: int = msgspec.field(default=0, name="b")
    second: int = msgspec.field(default=-1, name="e")
    came: int = msgspec.field(default=0, name="ma")

    @property
    def regions(self) -> dict[str, str]:
        """measurement, connection and visibility."""
        return {"measurement": self.state, "connection": self.connection, "visibility": self.visibility}

    @property
    def stands(self) -> tuple[str, ...]:
        """Measurement, connection and visibility."""
        return self.state, self.connection, self.visibility

    def measurement(self) -> Measurement | None:
        """The current measurement."""
        return self._at(self.current)

    def taker(self) -> Measurement | None:
        """The measurement that took the last event, else the current one."""
        return self._at(self.took) if self.took >= 0 else self.measurement()

    def subject(self, _: Event, /) -> int | None:
        """The first position of the measurement that took the event just folded."""
        record = self.taker()
        return record.position if record else None

    def shed(self) -> None:
        """The measurements stay, since a later event may name any of them."""
        State.shed(self)
        self.owners.clear()
        record = self.taker()
        if record is not None:
            record.anomalies.clear()
            record.snr.clear()

    def named(self, name: str | None) -> Measurement | None:
        """The measurement with this id, in any run. Returns one that had left to the list."""
        if name is None:
            return None
        held = next((record for record in self.measurements if record.measurement_id == name), None)
        return held or self._back(self.settled.pop(name, None))

    def elsewhere(self, event: Event) -> str | None:
        """The measurement id that an event names, if that measurement may be stored elsewhere."""
        name = event.data.get("measurement_id")
        here = len(self.measurements) + len(self.settled) + len(self.nameless)
        if name is None or name in self.settled or self.begun == here:
            return None
        return None if any(record.measurement_id == name for record in self.measurements) else name

    def records(self) -> list[Measurement]:
        """All measurements in the state, in the order in which they began."""
        return sorted([*self.nameless, *self.settled.values(), *self.measurements], key=_place)

    def take_back(self, records: Iterable[Measurement]) -> None:
        """See `State`."""
        for record in records:
            self._let_go(record)

    def taken_out(self) -> None:
        """See `State`."""
        State.taken_out(self)
        self.settled, self.nameless = {}, []

    def unname(self) -> None:
        """See `State`."""
        self.nameless += self.settled.values()
        self.settled = {}
        for record in self.records():
            record.measurement_id = None

    def last(self) -> Measurement | None:
        """The run's last measurement, current or not."""
        last = self.measurements[-1] if self.measurements else None
        return last if last is not None and last.run == self.run else None

    def marked(self, fresh: Sequence[Anomaly]) -> None:
        """An anomaly of an event also counts for the measurement that took it."""
        State.marked(self, fresh)
        record = self.taker()
        if record is not None and fresh:
            take_in(record.anomalies, record.counts, fresh)
            self.owners |= dict.fromkeys((one.position for one in fresh), record.position)
            if len(self.owners) > len(self.anomalies):
                held = {one.position for one in self.anomalies}
                self.owners = {at: owner for at, owner in self.owners.items() if at in held}

    def note_last(self, event: Event) -> None:
        """Records the event, just folded, with the measurement that took it."""
        record = self.taker()
        if record is not None:
            record.last = max(record.last, event.position)

    def move_on(self) -> None:
        """Ends the last event: measurements leave the list unless they are current or among the newest."""
        self.took = -1
        if len(self.measurements) > KEPT:
            for record in [one for one in self.measurements[:-KEPT] if one.place != self.current]:
                self._leave(record)

    def begin_measurement(self, record: Measurement) -> None:
        """Adds the next measurement, which becomes the current one."""
        record.place = self.current = self.begun
        self.begun += 1
        self.measurements.append(record)

    def _at(self, place: int) -> Measurement | None:
        return next((record for record in reversed(self.measurements) if record.place == place), None)

    def _leave(self, record: Measurement) -> None:
        self.measurements.remove(record)
        self.unended += record.outcome is None
        self._let_go(record)

    def _let_go(self, record: Measurement) -> None:
        if record.measurement_id is None:
            self.nameless.append(record)
        else:
            self.settled[record.measurement_id] = record

    def _back(self, record: Measurement | None) -> Measurement | None:
        if record is not None:
            self.unended -= record.outcome is None
            insort(self.measurements, record, key=_place)
        return record


def measurement_of(state: MeasurementState, event: Event, before: str) -> Measurement | None:
    """The measurement that takes an event of the sequence; None if there is none. `before` is the sequence's state
    before it.

    A measurement that was not known becomes the current one. A known one takes each event that names it. But an event
    that may end a measurement ends the current one if the named one has ended: the page may still name the previous
    one.
    """
    if event.type == STARTS:
        return open_measurement(state, event, None, state.state)
    name, current = event.data.get("measurement_id"), state.measurement()
    if name is None or (current is not None and current.measurement_id == name and current.outcome is None):
        return current
    known = state.named(name)
    if known is None:
        return _given(state, name) or open_measurement(state, event, name, BEGUN if before in OVER else before)
    return _known(state, event, known, before)


def _known(state: MeasurementState, event: Event, record: Measurement, before: str) -> Measurement | None:
    current, over = state.measurement(), record.outcome is not None
    if over and event.type in ENDS and current is not None and current.outcome is None:
        return current
    if over and event.type == CREATED:  # a provider may create one again
        record.state, record.outcome = before, None
    if event.type == CREATED or (not over and record.place > state.current):
        state.current = record.place
    state.took = -1 if record.place == state.current else record.place
    return record


def side_measurement_of(state: MeasurementState, event: Event) -> Measurement | None:
    """The measurement that an event beside the sequence names.

    It becomes the current one only if there is none and the page was not unloaded.
    """
    name = event.data.get("measurement_id")
    if name is None:
        return None
    going_on, current = state.measurement(), state.current
    if going_on is not None and going_on.measurement_id == name:
        return going_on
    record = state.named(name) or _given(state, name)
    if record is None:
        record = open_measurement(state, event, name, BEGUN)
        state.current = record.place if current < 0 and state.state not in GONE else current
    state.took = -1 if record.place == state.current else record.place
    return record


def open_measurement(state: MeasurementState, event: Event, name: str | None, begins: str) -> Measurement:
    """Opens the run's next measurement in the state `begins`. It is complete only if MEASUREMENT_STARTED opened it."""
    whole = event.type == STARTS
    record = Measurement(
        name, state.run, event.position, event.key.hex(), state.highest, begins, whole, event.occurred_at
    )
    state.begin_measurement(record)
    return record


def _given(state: MeasurementState, name: str) -> Measurement | None:
    """The current measurement, if it has no id yet and has not ended: it gets this id."""
    current = state.measurement()
    if current is None or current.measurement_id is not None or current.outcome is not None:
        return None
    current.measurement_id = name
    return current


def _place(record: Measurement) -> int:
    return record.place


def note_step(state: MeasurementState, record: Measurement, event: Event, to: str, outcome: str | None) -> None:
    """Records a step of the sequence with the measurement that took it: its new state and outcome."""
    if record.outcome is None or record.outcome != outcome:
        whole = record.run == state.run and state.hole <= record.number
        record.complete = record.complete and whole
        record.ended_at = None if outcome is None else event.occurred_at
    record.state, record.outcome = to, outcome
    record.steps.setdefault(event.type, event.occurred_at)
    if event.type == "INTERMEDIATE_RESULTS":
        record.chunks += 1
        record.snr.append(_chunk(event))
        del record.snr[:-NEWEST_CHUNKS]


def _chunk(event: Event) -> Chunk:
    number, snr = event.data.get("result_sequence"), event.data.get("snr")
    plain = number if isinstance(number, int) and not isinstance(number, bool) else None
    return Chunk(plain, float(snr) if isinstance(snr, int | float) else None, event.occurred_at, event.position)
