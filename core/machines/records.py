"""The measurements of a wms session: what belongs to which, and what each came to."""

import msgspec

from core.event import Anomaly, Event, Instant
from core.machines.state import State, by_position_and_kind

STARTS, RESULTS = "MEASUREMENT_STARTED", "RESULTS_RECEIVED"
ENDS = frozenset(
    "MEASUREMENT_CANCELED LOW_SNR CONSTRAINT_VIOLATION GENERAL_ERROR API_ERROR "
    "REDIRECTING_TO_CALLBACK PAGE_UNLOADED".split()
)
"""What may end the measurement that goes on."""


class Chunk(msgspec.Struct, array_like=True, gc=False):
    """One intermediate result. `sequence` numbers the results, not the session's events; `snr` is in decibels."""

    sequence: int | None
    snr: float | None
    at: Instant | None
    position: int


class Measurement(msgspec.Struct, array_like=True, gc=False):
    """One measurement. `position` and `key` (hex) are those of its first event; `number` that event's sequence.

    `measurement_id` is None until the provider gives one. `steps` has the time of the first event of each type.
    `complete`: it began with MEASUREMENT_STARTED and no number is missing from there to its end, or so far.
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


class MeasurementState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data`: code, details. `measurements` in the order in which they began.

    Of the open run: `current` is the index of the measurement that goes on (-1: none), `highest` the highest number,
    `count` how many there are, `hole` the number behind its last hole (-1: none), `unloaded` that of its PAGE_UNLOADED,
    `opened` its first second. `second` is the last one of the whole session.
    """

    state: str = "waiting"
    connection: str = msgspec.field(default="unknown", name="c")
    visibility: str = msgspec.field(default="unknown", name="v")
    measurements: list[Measurement] = msgspec.field(default_factory=list, name="m")
    current: int = msgspec.field(default=-1, name="mc")
    highest: int = msgspec.field(default=-1, name="h")
    count: int = msgspec.field(default=0, name="k")
    hole: int = msgspec.field(default=-1, name="g")
    unloaded: int | None = msgspec.field(default=None, name="x")
    opened: int = msgspec.field(default=0, name="b")
    second: int = msgspec.field(default=-1, name="e")

    @property
    def regions(self) -> dict[str, str]:
        """measurement, connection and visibility."""
        return {"measurement": self.state, "connection": self.connection, "visibility": self.visibility}

    def measurement(self) -> Measurement | None:
        """The one that goes on."""
        return self.measurements[self.current] if self.current >= 0 else None

    def settle(self) -> None:
        """Sorts what was recorded in canonical order, in the measurements too."""
        State.settle(self)
        for record in self.measurements:
            record.anomalies.sort(key=by_position_and_kind)

    def subject(self, event: Event, /) -> int | None:
        """The measurement that the event names, else the one that goes on; what may end one names none but that."""
        name = None if event.type in ENDS else event.data.get("measurement_id")
        record = (self.named(name) if name else None) or self.measurement()
        return record.position if record else None

    def named(self, name: str) -> Measurement | None:
        """The one with this id, in whatever run."""
        return next((record for record in self.measurements if record.measurement_id == name), None)

    def last(self) -> Measurement | None:
        """The run's last one, whether it goes on or not."""
        last = self.measurements[-1] if self.measurements else None
        return last if last is not None and last.run == self.run else None

    def marked(self, fresh: list[Anomaly]) -> None:
        """An anomaly of an event is one of the measurement that the event belongs to, too."""
        if self.current >= 0:
            self.measurements[self.current].anomalies.extend(fresh)


def open_measurement(state: MeasurementState, event: Event, name: str | None = None) -> Measurement:
    """The next measurement of the run. Whole from its start only if it was seen to start."""
    whole = event.type == STARTS
    record = Measurement(
        name, state.run, event.position, event.key.hex(), state.highest, state.state, whole, event.occurred_at
    )
    state.measurements.append(record)
    state.current = len(state.measurements) - 1
    return record


def measurement_of(state: MeasurementState, event: Event) -> Measurement | None:
    """The measurement that an event of the sequence belongs to. None before there is one.

    One that was not known goes on from here, as does one that a step names; results come to what they name, though
    another one goes on. What may end a measurement ends the one that goes on: a page that begins the next one may still
    name the last.
    """
    if event.type == STARTS:
        return open_measurement(state, event)
    name, current = event.data.get("measurement_id"), state.measurement()
    if name is None or (current is not None and current.measurement_id == name):
        return current
    known = state.named(name)
    if known is None:
        return _given(state, name) or open_measurement(state, event, name)
    if event.type in ENDS:
        return current
    if event.type != RESULTS:
        state.current = state.measurements.index(known)
    return known


def side_measurement_of(state: MeasurementState, event: Event) -> Measurement | None:
    """The measurement that an event beside the sequence names; one that was known does not go on by that."""
    name = event.data.get("measurement_id")
    if name is None:
        return None
    return state.named(name) or _given(state, name) or open_measurement(state, event, name)


def _given(state: MeasurementState, name: str) -> Measurement | None:
    """The run's last measurement, where it goes on or another one does, and had no id yet: this is it."""
    last = state.last() if state.current >= 0 else None
    if last is None or last.measurement_id is not None:
        return None
    last.measurement_id = name
    state.current = len(state.measurements) - 1
    return last


def note_step(state: MeasurementState, record: Measurement, event: Event) -> None:
    """What a step of the sequence, already made, means for its measurement."""
    if record.outcome is None or record.outcome != state.outcome:
        whole = record.run == state.run and state.hole <= record.number
        record.complete = record.complete and whole
        record.ended_at = None if state.outcome is None else event.occurred_at
    record.state, record.outcome = state.state, state.outcome
    record.steps.setdefault(event.type, event.occurred_at)
    if event.type == "INTERMEDIATE_RESULTS":
        record.snr.append(_chunk(event))


def _chunk(event: Event) -> Chunk:
    number, snr = event.data.get("result_sequence"), event.data.get("snr")
    plain = number if isinstance(number, int) and not isinstance(number, bool) else None
    return Chunk(plain, float(snr) if isinstance(snr, int | float) else None, event.occurred_at, event.position)
