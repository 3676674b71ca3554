"""Canonical order by the provider's sequence: run by run, ascending in each, with gaps recorded."""

from collections.abc import Iterable

from core.event import Event, Instant, Note
from core.ordering.gaps import Gap, detail_of
from core.ordering.runs import CLOCK_SLACK, UNLOADED, OpenRun, number_of, runs, runs_behind, second_of
from core.states.records import MeasurementState
from core.states.state import Segment

OVERLAP = Note("overlap", "no run begins with its number: two tabs at once, or a lost beginning")


def by_sequence(events: Iterable[Event]) -> list[Segment]:
    """A stretch for each run, in the order in which they opened."""
    return runs(events)


def begin_run(state: MeasurementState, stretch: Segment) -> None:
    """Resets the state for a new run; earlier runs and measurements remain."""
    if stretch.goes_on:
        state.second = stretch.until
        return
    _supersede(state, stretch.began)
    state.begin(stretch.began)
    state.state, state.connection, state.visibility = "waiting", "unknown", "unknown"
    state.outcome = None
    state.current, state.highest, state.count, state.hole, state.came = -1, -1, 0, -1, 0
    state.opened = stretch.opened
    state.second = stretch.until


def _supersede(state: MeasurementState, at: Instant | None) -> None:
    if state.runs and state.runs[-1].ended_by is None:
        state.runs[-1].ended_by, state.runs[-1].ended_at = "superseded", at


def follow_sequence(state: MeasurementState, event: Event) -> tuple[Note, ...] | None:
    """What `core.ordering.runs` would make of one more event; None if that is not certain without all events."""
    number, second = number_of(event), second_of(event)
    same_second = second == state.second
    if second < state.second or (same_second and state.opened == second and state.run > 1):
        return None
    if not state.run or number > state.highest:
        return _join(state, event, second)
    surely_over = _is_whole(state) or second - CLOCK_SLACK > state.second
    if same_second or not surely_over:
        return None
    _begin_with(state, event, second)
    return (OVERLAP,) if number > 0 else ()


def go_on_by_sequence(state: MeasurementState, events: Iterable[Event]) -> list[Segment] | None:
    """The runs of events that follow those of the state, its open run first; None if one of them may not follow."""
    listed = list(events)
    if not state.run:
        return runs(listed)
    if not all(_comes_behind(state, event) for event in listed):
        return None
    return runs_behind(OpenRun(state.opened, state.second, state.highest, whole=_is_whole(state)), listed)


def _comes_behind(state: MeasurementState, event: Event) -> bool:
    """Whether the event follows the state's. In the state's last second it must continue the run, the only one of that
    second.
    """
    second = second_of(event)
    if second != state.second:
        return second > state.second
    return number_of(event) > state.highest and (state.opened < second or state.run == 1)


def _is_whole(state: MeasurementState) -> bool:
    """Whether no number of the open run is missing."""
    return state.count == state.highest + 1


def _join(state: MeasurementState, event: Event, second: int) -> tuple[()]:
    if not state.run:
        _begin_with(state, event, second)
    state.second = second
    return ()


def _begin_with(state: MeasurementState, event: Event, second: int) -> None:
    begin_run(state, Segment([event], opened=second, until=second, began=event.occurred_at))


def count(state: MeasurementState, event: Event) -> None:
    """Counts the event in its run. Missing numbers before it are a gap."""
    number = number_of(event)
    state.move_on()
    expected = state.highest + 1
    if number > expected:
        _hole(state, event, expected, number)
    state.highest = number
    state.count += 1
    if event.type == UNLOADED and event.known:
        state.runs[-1].ended_at, state.runs[-1].ended_by = event.occurred_at, UNLOADED


def _hole(state: MeasurementState, event: Event, expected: int, number: int) -> None:
    state.mark("gap", event, detail_of(Gap(expected, number - 1)))
    state.hole = number
    for record in state.measurements:
        if record.run == state.run and record.outcome is None:
            record.complete = False


def come_back(state: MeasurementState) -> None:
    """Reopens the run: the page continues after PAGE_UNLOADED."""
    state.runs[-1].ended_at, state.runs[-1].ended_by = None, None
