"""Finds the runs of a wms session: the provider restarts its sequence at 0 when the page is reloaded.

Events are visited second by second. Within one second, numbers that continue the open run come first, ascending, then
the rest, ascending. An event opens a run if its number is taken in the open run, or is below the number of an event
more than five seconds earlier. Of two events with one number in one second, PAGE_UNLOADED belongs to the older run. The
result depends only on the set of events, not on the order of arrival.

A number that continues after PAGE_UNLOADED is the same page: browsers report `visibilitychange` after `pagehide`, and a
page restored from the back/forward cache keeps its counter.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import ge, gt, itemgetter
from typing import Generic, Protocol, TypeVar

from core.event import SECOND, Event
from core.states.state import Segment

CLOCK_SLACK = 5
"""Seconds that the sender's clock may step back within one run."""

UNLOADED = "PAGE_UNLOADED"

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)

Walked = tuple[int, int, bool, bytes, T]
"""(second, number, is not PAGE_UNLOADED, key, the event): sorts in the order of the visit."""


def second_of(event: Event) -> int:
    """The event's second; an unknown time comes after all known ones."""
    return (1 << 62) if event.occurred_at is None else event.occurred_at // SECOND


def number_of(event: Event) -> int:
    """The provider's sequence. Adapters refuse events without one."""
    return event.sequence or 0


def walked_by(event: Event) -> tuple[int, int, bool, bytes]:
    """The event's place in the order of the visit."""
    return second_of(event), number_of(event), event.type != UNLOADED or not event.known, event.key


class EventsByNumber(Protocol[T_contra]):
    """The events of one run by number: a dict, or a store outside memory."""

    def __setitem__(self, number: int, taken: T_contra, /) -> None: ...

    def __contains__(self, number: object, /) -> bool: ...


class FoundRun(Generic[T]):
    """A run that is being found. `opened` and `until` are its first and last second.

    `overlap` is the event that opened it, if its number is above 0 and this is not the session's first run: then two
    tabs share the session, or the start of the run is lost.
    """

    def __init__(self, walked: Walked[T], taken: EventsByNumber[T], *, first: bool) -> None:
        self.opened = self.until = walked[0]
        self.overlap: T | None = walked[4] if walked[1] > 0 and not first else None
        self.highest = -1
        self.taken = taken
        self._earlier = -1
        self._peaks: deque[tuple[int, int]] = deque()
        self.add(walked)

    def add(self, walked: Walked[T]) -> None:
        """Adds the event to the run."""
        second, number = walked[:2]
        self.taken[number] = walked[4]
        self.highest = max(self.highest, number)
        self.until = second
        self._peaks.append((second, self.highest))
        self._forget(second - CLOCK_SLACK)

    def ends_before(self, walked: Walked[T]) -> bool:
        """Whether the event opens the next run."""
        second, number = walked[:2]
        self._forget(second - CLOCK_SLACK)
        return number in self.taken or number < self._earlier

    def _forget(self, second: int) -> None:
        """Forgets the events before this second but for their highest number."""
        while self._peaks and self._peaks[0][0] < second:
            self._earlier = self._peaks.popleft()[1]


class OpenRun(FoundRun[Event]):
    """A run whose events up to some second are not available: all numbers up to `highest`, or some of them.

    `whole` means that none of these numbers is missing. `unsure` becomes true if the result depends on one of them.
    """

    def __init__(self, opened: int, until: int, highest: int, *, whole: bool) -> None:
        self.opened, self.until, self.highest = opened, until, highest
        self.overlap = None
        self.events: dict[int, Event] = {}
        self.taken = self.events
        self.unsure = False
        self._before, self._over, self._whole = highest, until, whole
        self._earlier = -1
        self._peaks = deque()

    def ends_before(self, walked: Walked[Event]) -> bool:
        """See `FoundRun`. A missing number continues the run for CLOCK_SLACK seconds only."""
        second, number = walked[:2]
        if number > self._before:
            return super().ends_before(walked)
        self.unsure |= not self._whole and second - CLOCK_SLACK <= self._over
        return True


def runs_behind(run: OpenRun, events: Iterable[Event]) -> list[Segment] | None:
    """The rest of a run and the runs after it; None if they depend on events that are not available."""
    walk = sorted((*walked_by(event), event) for event in events)
    shelves = [run.events]

    def shelf() -> dict[int, Event]:
        shelves.append({})
        return shelves[-1]

    found = list(found_runs(walk, shelf, [run]))
    if run.unsure:
        return None
    stretches = [_stretch(one, taken) for one, taken in zip(found, shelves, strict=True) if taken]
    if run.events:
        stretches[0].goes_on = True
    return stretches


def runs(events: Iterable[Event]) -> list[Segment]:
    """The runs in the order in which they opened, a pure function of the set of events (of one key each)."""
    listed = sorted(events, key=number_of)
    if (only := _only_run(listed)) is not None:
        return [only]
    walk = sorted((*walked_by(event), event) for event in listed)
    shelves: list[dict[int, Event]] = []

    def shelf() -> dict[int, Event]:
        shelves.append({})
        return shelves[-1]

    found = list(found_runs(walk, shelf))
    return [_stretch(run, taken) for run, taken in zip(found, shelves, strict=True)]


def found_runs(
    walk: Iterable[Walked[T]], shelf: Callable[[], EventsByNumber[T]], begun: Iterable[FoundRun[T]] = ()
) -> Iterator[FoundRun[T]]:
    """The runs in the order in which they opened, each when it is complete. Calls `shelf` once for each, in order.

    `begun` holds the open run before these events, if there is one.
    """
    found = list(begun)
    for _, second in groupby(walk, itemgetter(0)):
        for walked in second:
            _walk(found, walked, shelf)
        yield from found[:-1]
        del found[:-1]
    yield from found


def _walk(found: list[FoundRun[T]], walked: Walked[T], shelf: Callable[[], EventsByNumber[T]]) -> None:
    """Adds the event to the first run that it continues, else to the last one, or opens a run. `found`: the runs open
    in its second.
    """
    taker = next((run for run in found if walked[1] > run.highest), found[-1] if found else None)
    if taker is None or (walked[1] <= taker.highest and taker.ends_before(walked)):
        found.append(FoundRun(walked, shelf(), first=not found))
    else:
        taker.add(walked)


def _only_run(events: list[Event]) -> Segment | None:
    """The only run, if sorting by number shows that there is one, as in most sessions; else None."""
    numbers, seconds = [number_of(event) for event in events], [second_of(event) for event in events]
    if not events or any(map(ge, numbers, numbers[1:])) or any(map(gt, seconds, seconds[1:])):
        return None
    return Segment(events, opened=seconds[0], until=seconds[-1], began=events[0].occurred_at)


def _stretch(run: FoundRun[Event], taken: dict[int, Event]) -> Segment:
    """The run as the fold takes it."""
    events = [taken[number] for number in sorted(taken)]
    overlap = None if run.overlap is None else run.overlap.position
    return Segment(events, run.opened, run.until, overlap, began=events[0].occurred_at)
