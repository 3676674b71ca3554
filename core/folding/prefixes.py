"""Prefixes: stored intermediate states of a long stream, from which a fold can continue.

A prefix is the state after the stream's first events in canonical order: all events up to a position, and a few that
arrived later. A fold that continues from it reads only what was recorded after that position. Prefixes are a cache:
without one, all events are folded.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

import msgspec

from core.event import SECOND, Event, Instant
from core.machines.session import session
from core.ordering.order import OUTCOMES, UNKNOWN_TIME, place
from core.ordering.runs import second_of
from core.states.state import Segment, State, StateMachine

EVERY = 100
"""The smallest number of events between two prefixes."""

LONG = 250
"""A stream with more events than this is told in parts. A shorter one is always told as a whole."""

NEAR = 64
"""The number of prefixes at each end of a stream that are `EVERY` events apart. Further in, the gap doubles with the
distance to the nearer end, at most `DOUBLINGS` times: 10^5 events have about 300 prefixes, 10^6 about 500, and no page
folds more than a gap."""

DOUBLINGS = 6
"""So a gap is at most 6,400 events."""

NUMBERED = "measurement"
"""The machine whose provider numbers its events."""

_NEVER = 1 << 63


class Prefix(msgspec.Struct, gc=False):
    """The `state` after all events up to `position` and those at `others`; `last` is the last of them in order."""

    position: int
    last: int
    others: list[int]
    state: Any


def is_due(state: State) -> bool:
    """Whether an append should store this state as a prefix. An outcome whose event is missing may still change its
    place.
    """
    return state.events % EVERY == 0 and not state.waiting


def is_over_by(kind: StateMachine, state: State, as_of: Instant) -> bool:
    """Whether all events of a prefix had happened by then; False if the state cannot tell.

    A handler's outcome follows its event whenever it happened, and a skewed clock makes `last_at` too early.
    """
    if kind.name == NUMBERED:
        return bool(state.second < as_of // SECOND)  # type: ignore[attr-defined]  # the numbered machine's own
    if kind is session and ((state.last_at or 0) > as_of or "clock_skew" in state.counts):
        return False
    return _time_of(state) <= as_of


def is_past(kind: StateMachine, as_of: Instant, at: Instant) -> bool:
    """Whether no event after a prefix had happened by then, if its last event happened `at` and events are ordered by
    time.
    """
    return at // SECOND >= as_of // SECOND if kind.name == NUMBERED else at > as_of


def lies_in_time(kind: StateMachine, state: State) -> bool:
    """Whether every event of the state is ordered by its own time."""
    if kind.name == NUMBERED:
        return bool(state.second < UNKNOWN_TIME)  # type: ignore[attr-defined]  # the numbered machine's own
    return kind is not session and _time_of(state) < UNKNOWN_TIME


def _time_of(state: State) -> Instant:
    return int(state.tail[0]) if state.tail else UNKNOWN_TIME


def apart(number: int, total: int) -> int:
    """The gap between two prefixes around event `number` of `total`."""
    return EVERY << min((min(number, total - number) // (EVERY * NEAR)).bit_length(), DOUBLINGS)


def too_close(numbers: Sequence[int]) -> list[int]:
    """The prefixes that a fold of all events would not store. Each is given by its number of events, ascending."""
    surplus: list[int] = []
    due = 0
    for number in numbers:
        if number < due:
            surplus.append(number)
        else:
            due = number + apart(number, numbers[-1])
    return surplus


class Cuts:
    """Chooses the prefixes of a stream while it is folded.

    Events after a prefix in canonical order must not change the order before it; if the provider numbers its events,
    they must lie in a later second. No prefix ends with a handler's outcome. Each has fewer than `EVERY` events
    recorded after its position: of two prefixes at one position, the second would hold all events between them. `start`
    is the prefix that the events follow; None if they are the whole stream.
    """

    def __init__(
        self, kind: StateMachine, stretches: Sequence[tuple[Segment, Sequence[Event]]], start: Prefix | None = None
    ) -> None:
        self._numbered = kind.name == NUMBERED
        self._second = start.state.second if start is not None and self._numbered else -1
        self._found: dict[int, tuple[int, list[int]]] = {}
        if not any(stretch.waiting for stretch, _ in stretches):
            self._find([event for _, placed in stretches for event in placed], start)

    def behind(self, state: State, event: Event) -> Prefix | None:
        """The prefix that ends with this event, if one does. Must be called after the fold of each event, in order.

        During a whole fold, the state already holds the end of the stream or run; the prefix's copy ends here.
        """
        self._second = max(self._second, second_of(event))
        found = self._found.get(event.position)
        if found is None:
            return None
        ends = {"second": self._second} if self._numbered else {"tail": place(event)}
        return Prefix(found[0], event.position, found[1], msgspec.structs.replace(state, **ends))

    def _find(self, events: Sequence[Event], start: Prefix | None) -> None:
        positions = _lowest_behind([event.position for event in events])
        seconds = _lowest_behind([second_of(event) for event in events]) if self._numbered else repeat(_NEVER)
        ahead = sorted(start.others) if start is not None else []
        begun, reached = (start.state.events, start.position) if start is not None else (0, 0)
        second, highest = self._second, max([reached, *ahead[-1:]])
        total, due = begun + len(events), begun + EVERY
        for number, (event, lowest, following) in enumerate(zip(events, positions, seconds, strict=False), begun + 1):
            heappush(ahead, event.position)
            while ahead and ahead[0] < lowest:
                heappop(ahead)
            second, highest = max(second, second_of(event)), max(highest, event.position)
            if number >= due and len(ahead) < EVERY and following > second and event.type not in OUTCOMES:
                self._found[event.position] = (min(lowest - 1, highest), sorted(ahead))
                due = number + apart(number, total)


def _lowest_behind(values: Sequence[int]) -> list[int]:
    """For each value, the lowest of the values after it."""
    lowest, found = _NEVER, []
    for value in reversed(values):
        found.append(lowest)
        lowest = min(lowest, value)
    return found[::-1]
