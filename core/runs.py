"""Finds the runs of a wms session: the provider starts its numbers at 0 again when the page is loaded again.

The events are walked by their second. Within one second the open run goes on first, ascending; then comes the rest,
ascending. An event opens a run if its number is taken in the open one, or is below the number of an event more than
five seconds earlier. The walk sees a set: the order of arrival plays no part. Of two events with one number in one
second the PAGE_UNLOADED belongs to the older run.

A number that goes on behind PAGE_UNLOADED is the same page: browsers tell `visibilitychange` after `pagehide`, and a
page that comes back from the back/forward cache keeps its counter.
"""

from bisect import bisect_left
from collections.abc import Iterable
from itertools import groupby
from operator import ge, gt, itemgetter

from core.event import SECOND, Event
from core.machines.state import Stretch

CLOCK_SLACK = 5
"""Seconds that the sender's clock may step back inside one run."""

UNLOADED = "PAGE_UNLOADED"

Walked = tuple[int, int, bool, bytes, Event]
"""(second, number, is not PAGE_UNLOADED, key, event): sorts in the order of the walk."""


def second_of(event: Event) -> int:
    """The event's second; an unknown time comes after all known ones."""
    return (1 << 62) if event.occurred_at is None else event.occurred_at // SECOND


def number_of(event: Event) -> int:
    """The provider's sequence; adapters let no event pass without one."""
    return event.sequence or 0


class FoundRun:
    """A run while it is walked. `opened` is the second of its first walked event.

    `overlap` is that event, where its number is above 0: two tabs use one session, or the run's beginning is lost.
    """

    def __init__(self, opened: int = 0, overlap: Event | None = None) -> None:
        self.opened = opened
        self.overlap = overlap
        self.highest = -1
        self._taken: dict[int, Event] = {}
        self._peaks: list[tuple[int, int]] = []

    @property
    def events(self) -> list[Event]:
        """The run's events in canonical order."""
        return [self._taken[number] for number in sorted(self._taken)]

    @property
    def until(self) -> int:
        """The second of the event that was walked last."""
        return self._peaks[-1][0]

    def add(self, walked: Walked) -> None:
        second, number, _, _, event = walked
        self._taken[number] = event
        self.highest = max(self.highest, number)
        self._peaks.append((second, self.highest))

    def goes_on_with(self, second: list[Walked]) -> list[Walked]:
        """Takes what continues the run out of one second's events, ascending; gives back the rest, ascending."""
        rest = []
        for walked in second:
            if walked[1] > self.highest:
                self.add(walked)
            else:
                rest.append(walked)
        return rest

    def ends_before(self, walked: Walked) -> bool:
        """Whether the event is none of this run's: it opens the next one."""
        second, number = walked[:2]
        earlier = self._highest_before(second - CLOCK_SLACK)
        return number in self._taken or number < earlier

    def _highest_before(self, second: int) -> int:
        index = bisect_left(self._peaks, (second, -1))
        return self._peaks[index - 1][1] if index else -1

    @property
    def stretch(self) -> Stretch:
        """The run as the fold takes it."""
        return Stretch(self.events, opened=self.opened, until=self.until, overlap=self.overlap)


def runs(events: Iterable[Event]) -> list[Stretch]:
    """The runs in the order in which they opened, a pure function of the set of events (of one key each)."""
    listed = sorted(events, key=number_of)
    if (only := _only_run(listed)) is not None:
        return [only]
    walk = sorted((second_of(e), number_of(e), e.type != UNLOADED or not e.known, e.key, e) for e in listed)
    return [run.stretch for run in _walked(walk)] if walk else []


def _only_run(events: list[Event]) -> Stretch | None:
    """The events, sorted by number, where each continues one run: most sessions are so. None: they must be walked."""
    numbers, seconds = [number_of(event) for event in events], [second_of(event) for event in events]
    if not events or any(map(ge, numbers, numbers[1:])) or any(map(gt, seconds, seconds[1:])):
        return None
    return Stretch(events, opened=seconds[0], until=seconds[-1])


def _walked(walk: list[Walked]) -> list[FoundRun]:
    found = [FoundRun(walk[0][0])]
    for _, second in groupby(walk, itemgetter(0)):
        _walk_second(found, list(second))
    return found


def _walk_second(found: list[FoundRun], second: list[Walked]) -> None:
    pending = found[-1].goes_on_with(second)
    while pending:
        opener = _take_until_a_run_opens(found[-1], pending)
        if opener is None:
            return
        found.append(_opened_by(pending[opener]))
        pending = found[-1].goes_on_with(pending[opener + 1 :])


def _opened_by(walked: Walked) -> FoundRun:
    second, number, _, _, event = walked
    run = FoundRun(second, event if number > 0 else None)
    run.add(walked)
    return run


def _take_until_a_run_opens(run: FoundRun, pending: list[Walked]) -> int | None:
    for index, walked in enumerate(pending):
        if run.ends_before(walked):
            return index
        run.add(walked)
    return None
