"""A wms session: a face scan in the browser, reported by numbered events. A reload of the page begins a new run.

It has three regions, each moved by its own events only: the measurement's sequence, the connection and the page's
visibility.

Each measurement passes through the same rows by its own events and has its own outcome. The session's outcome is that
of the current measurement. An event belongs to the measurement that it names. But an event that can end a measurement
(canceled, failed, redirected, unloaded) ends the current one if the named one has ended, because the page may still
name the previous measurement.

A page may send events after PAGE_UNLOADED. Connection and visibility events then move their own region only; an event
of the sequence moves it as usual, and the run continues. A measurement that has ended keeps its outcome.
"""

from enum import Enum

from core.event import SECOND, Event
from core.ordering.sequence_order import begin_run, by_sequence, come_back, count, follow_sequence, go_on_by_sequence
from core.states.records import (
    GONE,
    RESULTS,
    TELLING,
    Measurement,
    MeasurementState,
    measurement_of,
    note_step,
    side_measurement_of,
)
from core.states.state import Settings, StateMachine
from core.states.table import UNLISTED, On, Transition, declare


class Scan(Enum):
    WAITING = "waiting"
    LOADED = "loaded"
    CONFIGURED = "configured"
    CAMERA_DENIED = "camera_denied"
    CAMERA_GRANTED = "camera_granted"
    CAMERA_ON = "camera_on"
    STARTED = "started"
    CREATED = "created"
    SCANNING = "scanning"
    ANALYZING = "analyzing"
    COMPLETED = "completed"
    CANCELED = "canceled"
    FAILED = "failed"
    REDIRECTING = "redirecting"
    CLOSED = "closed"
    ABANDONED = "abandoned"


class Connection(Enum):
    UNKNOWN = "unknown"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    LOST = "lost"


class Visibility(Enum):
    UNKNOWN = "unknown"
    VISIBLE = "visible"
    HIDDEN = "hidden"


S = Scan
ANY = list(Scan)
MEASURING = [S.STARTED, S.CREATED, S.SCANNING, S.ANALYZING]
SETTLED = [S.COMPLETED, S.REDIRECTING, S.CLOSED, S.ABANDONED]
BEFORE_COMPLETED = [state for state in Scan if state not in SETTLED]
MAY_CLOSE = [S.COMPLETED, S.REDIRECTING, S.CANCELED, S.FAILED, S.CAMERA_DENIED, S.CLOSED]
TOO_SOON = [state for state in Scan if state not in [*MEASURING, S.CANCELED]]

AGAIN = "canceled already"
NOTHING_RUNS = "no measurement runs that it could cancel"
OVER = "what is settled is not failed by a later error"

# fmt: off
sequence = declare(name="measurement", states=Scan, initial=S.WAITING, stray="unexpected", rows=[
    #  on                           from                                             to
    On("WMS_LOADED",                S.WAITING,                                       S.LOADED),
    On("CONFIGURATION_LOADED",      S.LOADED,                                        S.CONFIGURED),
    On("CAMERA_PERMISSION_GRANTED", [S.CONFIGURED, S.CAMERA_DENIED],                 S.CAMERA_GRANTED),
    On("CAMERA_PERMISSION_DENIED",  S.CONFIGURED,                                    S.CAMERA_DENIED),
    On("CAMERA_STARTED",            S.CAMERA_GRANTED,                                S.CAMERA_ON),
    On("MEASUREMENT_STARTED",       [S.CAMERA_ON, S.CANCELED, S.FAILED, S.COMPLETED], S.STARTED),
    On("MEASUREMENT_CREATED",       S.STARTED,                                       S.CREATED),
    On("INTERMEDIATE_RESULTS",      [S.CREATED, S.SCANNING],                         S.SCANNING),
    On("SCAN_COMPLETED",            S.SCANNING,                                      S.ANALYZING),
    On("RESULTS_RECEIVED",          [S.ANALYZING, S.FAILED],                         S.COMPLETED),
    On("MEASUREMENT_CANCELED",      MEASURING,                                       S.CANCELED),
    On("MEASUREMENT_CANCELED",      S.CANCELED,                                      None, why=AGAIN),
    On("LOW_SNR",                   MEASURING,                                       S.CANCELED),
    On("LOW_SNR",                   S.CANCELED,                                      None, why=AGAIN),
    On("CONSTRAINT_VIOLATION",      MEASURING,                                       S.CANCELED),
    On("CONSTRAINT_VIOLATION",      S.CANCELED,                                      None, why=AGAIN),
    On("CONSTRAINT_VIOLATION",      TOO_SOON,                                        None, why=NOTHING_RUNS),
    On("GENERAL_ERROR",             BEFORE_COMPLETED,                                S.FAILED),
    On("GENERAL_ERROR",             SETTLED,                                         None, why=OVER),
    On("API_ERROR",                 BEFORE_COMPLETED,                                S.FAILED),
    On("API_ERROR",                 SETTLED,                                         None, why=OVER),
    On("REDIRECTING_TO_CALLBACK",   ANY,                                             S.REDIRECTING),
    On("PAGE_UNLOADED",             MAY_CLOSE,                                       S.CLOSED),
    On("PAGE_UNLOADED", [state for state in Scan if state not in MAY_CLOSE],         S.ABANDONED),
])

connection = declare(name="connection", states=Connection, initial=Connection.UNKNOWN, rows=[
    #  on                              from              to
    On("WEBSOCKET_RECONNECTED",         list(Connection), Connection.CONNECTED),
    On("WEBSOCKET_DISCONNECTED",        list(Connection), Connection.DISCONNECTED),
    On("WEBSOCKET_RECONNECTION_FAILED", list(Connection), Connection.LOST),
])
# fmt: on


def page_visible(_: MeasurementState, event: Event) -> bool:
    return _visibility(event) == "VISIBLE"


def page_hidden(_: MeasurementState, event: Event) -> bool:
    return _visibility(event) == "HIDDEN"


def _visibility(event: Event) -> str:
    said = event.data.get("visible")
    return said.upper() if isinstance(said, str) else ""


# fmt: off
visibility = declare(name="visibility", states=Visibility, initial=Visibility.UNKNOWN, rows=[
    #  on                         from              to
    On("PAGE_VISIBILITY_CHANGE", list(Visibility), Visibility.VISIBLE, when=page_visible),
    On("PAGE_VISIBILITY_CHANGE", list(Visibility), Visibility.HIDDEN,  when=page_hidden),
    On("PAGE_VISIBILITY_CHANGE", list(Visibility), None,               why="neither visible nor hidden"),
])
# fmt: on

OUTCOMES = {
    S.CAMERA_DENIED.value: "denied",
    S.COMPLETED.value: "completed",
    S.CANCELED.value: "canceled",
    S.FAILED.value: "failed",
    S.ABANDONED.value: "abandoned",
}
"""The outcome that a state sets. Other states leave the measurement's outcome; a denial may be withdrawn."""

EXPECTED_WITHIN = {
    S.STARTED.value: 60 * SECOND,
    S.CREATED.value: 60 * SECOND,
    S.SCANNING.value: 60 * SECOND,
    S.ANALYZING.value: 300 * SECOND,
}
"""How long a measurement may be silent in a state before it is overdue. The provider documents no limits: a scan takes
half a minute, in chunks of five seconds, so these are generous. The fold does not use them."""

PREPARING = frozenset(
    state.value for state in [S.WAITING, S.LOADED, S.CONFIGURED, S.CAMERA_DENIED, S.CAMERA_GRANTED, S.CAMERA_ON]
)
DENIED: str = S.CAMERA_DENIED.value
GRANTED: str = S.CAMERA_GRANTED.value
PREPARES = frozenset(
    "WMS_LOADED CONFIGURATION_LOADED CAMERA_PERMISSION_GRANTED CAMERA_PERMISSION_DENIED CAMERA_STARTED".split()
)
IN_SEQUENCE = frozenset(sequence.triggers)
BESIDE = {trigger: table for table in (connection, visibility) for trigger in table.triggers}
KEPT = frozenset({"code", "details"})


def step(state: MeasurementState, event: Event, _: Settings) -> Transition:
    """Folds one event whose type is known."""
    count(state, event)
    state.keep(KEPT, event)
    if event.type in TELLING:
        state.came = max(state.came, 2 if event.type == RESULTS else 1)
    arm = _step_in_sequence(state, event) if event.type in IN_SEQUENCE else _step_beside(state, event)
    state.note_last(event)
    return arm


def skip(state: MeasurementState, event: Event) -> None:
    """Skips an event whose type is not known."""
    count(state, event)
    state.note_last(event)


def _step_in_sequence(state: MeasurementState, event: Event) -> Transition:
    before = state.state
    arm = state.take(sequence, event)
    if before in GONE and state.state not in GONE:
        come_back(state)
    record = None if event.type in PREPARES else _taker(state, event, before)
    if record is not None:
        together = record.state == before and state.took < 0 and before not in GONE
        _step_of(state, record, event, arm if together else None)
        told = state.measurement() or (record if record.run == state.run else None)
        if told is not None:
            state.outcome = told.outcome
            return arm
    if arm.to is not None:
        _settle_outcome(state, before, arm.to)
    return arm


def _taker(state: MeasurementState, event: Event, before: str) -> Measurement | None:
    """The measurement that takes the event. Before one begins, an event belongs to none unless it names a known one."""
    if state.state in PREPARING and state.named(event.data.get("measurement_id")) is None:
        return None
    return measurement_of(state, event, before)


def _step_of(state: MeasurementState, record: Measurement, event: Event, arm: Transition | None) -> None:
    """Steps the measurement through the same rows, from its own state. `arm` is the sequence's row if both are in step.

    A measurement that has ended takes no stray step other than results.
    """
    if arm is None:
        arm = sequence.pick(record.state, event.type, state, event)
        if arm.marks is not None and record.outcome is not None and event.type != RESULTS:
            arm = UNLISTED
    to = arm.to or record.state
    note_step(state, record, event, to, record.outcome if arm.to is None else OUTCOMES.get(to, record.outcome))


def _settle_outcome(state: MeasurementState, before: str, to: str) -> None:
    if to in PREPARING:
        _prepare(state, before, to)
    elif before in GONE:
        return
    state.outcome = OUTCOMES.get(to, state.outcome)


def _prepare(state: MeasurementState, before: str, to: str) -> None:
    """Preparation follows: a measurement that has ended is not current, nor is any while the camera is denied."""
    last = state.last()
    denied = to == DENIED or (before == DENIED and to != GRANTED)
    goes_on = last is not None and last.outcome is None and not denied
    state.current = last.place if last is not None and goes_on else -1
    if goes_on or (before, to) == (DENIED, GRANTED):
        state.outcome = last.outcome if last is not None else None


def _step_beside(state: MeasurementState, event: Event) -> Transition:
    region = BESIDE.get(event.type)
    if region is None:
        return UNLISTED
    arm = region.pick(getattr(state, region.name), event.type, state, event)
    if arm.to is not None:
        setattr(state, region.name, arm.to)
    record = side_measurement_of(state, event)
    if record is not None:
        record.steps.setdefault(event.type, event.occurred_at)
        going_on = state.measurement()
        state.outcome = going_on.outcome if going_on is not None else state.outcome
    return arm


tables = (sequence, connection, visibility)
measurement = StateMachine(
    "measurement",
    tables,
    MeasurementState,
    by_sequence,
    begin_run,
    follow_sequence,
    go_on_by_sequence,
    step,
    skip=skip,
    revision=4,
)
