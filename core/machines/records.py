"""The measurements of a wms session: what belongs to which, and what each came to."""

import msgspec

from core.event import Anomaly, Event, Instant
from core.machines.state import State, by_position_and_kind


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
        """The measurement that the event names, else the one that goes on."""
        name = event.data.get("measurement_id")
        named = [record for record in self.measurements if record.measurement_id == name] if name else []
        record = named[0] if named else self.measurement()
        return record.position if record else None

    def marked(self, fresh: list[Anomaly]) -> None:
        """An anomaly of an event is one of the measurement that the event belongs to, too."""
        if self.current >= 0:
            self.measurements[self.current].anomalies.extend(fresh)


def open_measurement(state: MeasurementState, event: Event, name: str | None = None) -> Measurement:
    """The next measurement of the run. Whole from its start only if it was seen to start."""
    whole = event.type == "MEASUREMENT_STARTED"
    record = Measurement(
        name, state.run, event.position, event.key.hex(), state.highest, state.state, whole, event.occurred_at
    )
    state.measurements.append(record)
    state.current = len(state.measurements) - 1
    return record


def measurement_of(state: MeasurementState, event: Event) -> Measurement | None:
    """The measurement that a step of the sequence belongs to; it goes on from there. None before there is one."""
    if event.type == "MEASUREMENT_STARTED":
        return open_measurement(state, event)
    name = event.data.get("measurement_id")
    current = state.measurement()
    if name is None or (current is not None and current.measurement_id == name):
        return current
    return _known(state, name) or _named(state, name) or open_measurement(state, event, name)


def side_measurement_of(state: MeasurementState, event: Event) -> Measurement | None:
    """The measurement that an event beside the sequence names; such an event opens none and lets none go on."""
    name = event.data.get("measurement_id")
    if name is None:
        return None
    found = next((record for record in state.measurements if record.measurement_id == name), None)
    return found or _named(state, name)


def _known(state: MeasurementState, name: str) -> Measurement | None:
    for index, record in enumerate(state.measurements):
        if record.measurement_id == name:
            state.current = index
            return record
    return None


def _named(state: MeasurementState, name: str) -> Measurement | None:
    """The run's last measurement, where it had no id yet: this is it."""
    last = state.measurements[-1] if state.current >= 0 else None
    if last is None or last.measurement_id is not None or last.run != state.run:
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
