"""Prefixes: states that a stream's first events in canonical order come to, from which others are told.

A prefix holds all events up to a position, and few that arrived later: whoever has its state needs of the log what
came behind that position. It is a cache: where none is at hand, all events are folded.
"""

from collections.abc import Sequence
from heapq import heappop, heappush
from itertools import repeat
from typing import Any

import msgspec

from core.event import SECOND, Event, Instant
from core.machines.session import session
from core.machines.state import Kind, State, Stretch
from core.order import OUTCOMES, UNKNOWN_TIME, place
from core.runs import second_of

EVERY = 100
"""So many events lie between two prefixes."""

LONG = 250
"""A stream of more events than these has prefixes; one of fewer is told as a whole."""

NEAR = 64
"""So many prefixes at each end of a stream are as close as that. Further in, the gap doubles as the way to the nearer
end does, `DOUBLINGS` times at most: 10^5 events have some 300, 10^6 some 500, and no page costs more than a gap.
"""

DOUBLINGS = 6
"""The gap is 6,400 events at most."""

NUMBERED = "measurement"
"""The machine whose provider numbers its events."""

_NEVER = 1 << 63


class Prefix(msgspec.Struct, gc=False):
    """`state` after all events up to `position` and those at the positions `others`; `last` is the last of them."""

    position: int
    last: int
    others: list[int]
    state: Any


def is_due(state: State) -> bool:
    """Whether a state that events in order have come to is one to keep: no later event moves one of them."""
    return state.events % EVERY == 0 and state.events > LONG and not state.waiting


def is_over_by(kind: Kind, state: State, as_of: Instant) -> bool:
    """Whether all that a prefix's state has come to had happened by then; False where the state cannot tell.

    A handler's outcome stands behind its event, whenever it happened; of a clock that is ahead, `last_at` tells less.
    """
    if kind.name == NUMBERED:
        return bool(state.second < as_of // SECOND)  # type: ignore[attr-defined]  # the numbered machine's own
    if kind is session and ((state.last_at or 0) > as_of or "clock_skew" in state.counts):
        return False
    return _time_of(state) <= as_of


def is_past(kind: Kind, as_of: Instant, at: Instant) -> bool:
    """Whether nothing behind a prefix whose last event happened `at` had happened by then, of what lies in time."""
    return at // SECOND >= as_of // SECOND if kind.name == NUMBERED else at > as_of


def lies_in_time(kind: Kind, state: State) -> bool:
    """Whether no event of a stream's state stands elsewhere than its own time says."""
    if kind.name == NUMBERED:
        return bool(state.second < UNKNOWN_TIME)  # type: ignore[attr-defined]  # the numbered machine's own
    return kind is not session and _time_of(state) < UNKNOWN_TIME


def _time_of(state: State) -> Instant:
    return int(state.tail[0]) if state.tail else UNKNOWN_TIME


def apart(number: int, total: int) -> int:
    """How many events lie between two prefixes around the event of that number, out of so many."""
    return EVERY << min((min(number, total - number) // (EVERY * NEAR)).bit_length(), DOUBLINGS)


def too_close(numbers: Sequence[int]) -> list[int]:
    """Which of the prefixes that hold so many events each, ascending, a fold of all events would not keep."""
    surplus: list[int] = []
    due = 0
    for number in numbers:
        if number < due:
            surplus.append(number)
        else:
            due = number + apart(number, numbers[-1])
    return surplus


class Cuts:
    """Where a stream that is folded is cut: behind which events, and what each of the prefixes is then.

    What comes behind a prefix in canonical order must not be able to change what comes before; where numbers decide,
    that is what happened in a later second. A handler's outcome ends no prefix. Each holds fewer than `EVERY` events
    behind its position: of two at one position, the second would hold all that lie between them. `start`: the prefix
    that all of the events come behind; None where they are the whole stream.
    """

    def __init__(
        self, kind: Kind, stretches: Sequence[tuple[Stretch, Sequence[Event]]], start: Prefix | None = None
    ) -> None:
        self._numbered = kind.name == NUMBERED
        self._second = start.state.second if start is not None and self._numbered else -1
        self._found: dict[int, tuple[int, list[int]]] = {}
        if not any(stretch.waiting for stretch, _ in stretches):
            self._find([event for _, placed in stretches for event in placed], start)

    def behind(self, state: State, event: Event) -> Prefix | None:
        """The prefix that ends with the event, which was folded last, all before it having been asked for.

        The state of a whole fold knows already where the stream or its run ends: that of a prefix ends here.
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
    """For each the lowest of those behind it."""
    lowest, found = _NEVER, []
    for value in reversed(values):
        found.append(lowest)
        lowest = min(lowest, value)
    return found[::-1]
