"""The layout of a timeline's events on a time axis: a lane for each region and the handler, numbers, gaps, runs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from adapters.console.numbers import counted
from adapters.console.pictures import Tick
from core.ordering.gaps import Gap
from core.ordering.order import OUTCOMES

WIDTH, LEFT = 860, 122
_TOP, _HIGH, _RIGHT = 40, 44, 36
_NUMBER, _DIGIT = 18, 7
"""The least width of a number, and the width of each of its characters, in pixels."""
_APART = 13
"""The least distance between the centres of two events in a row, in pixels. Closer ones are stacked."""
_ROWS = 8
"""The most rows of a lane. Of further events only the number is shown."""


class EventMark(NamedTuple):
    """An event. `look` is its CSS class: `irregular`, `moved` (its region changed) or `value`.

    `number` is the label above the lane: its sequence number, or the range of all close events; empty for the others of
    these. `top` is the y of the lane's first row.
    """

    x: float
    y: float
    words: str
    look: str
    href: str
    number: str
    top: float


class More(NamedTuple):
    """Events for which no row is left. `href` links to the first of them in the list."""

    x: float
    y: float
    text: str
    words: str
    href: str


class Mark(NamedTuple):
    """A line across all lanes. `look` is `gap` (missing events) or `run` (a run begins)."""

    x: float
    look: str
    text: str
    words: str


class Lanes(NamedTuple):
    """The events, the marks and the scales. `words` is the text alternative for screen readers."""

    width: int
    height: int
    left: int
    events: list[EventMark]
    more: list[More]
    marks: list[Mark]
    across: list[Tick]
    up: list[Tick]
    words: str


class _Axis(NamedTuple):
    first: float
    last: float

    def x(self, at: float) -> float:
        part = (at - self.first) / (self.last - self.first) if self.last > self.first else 0.5
        return round(LEFT + 8 + part * (WIDTH - LEFT - 8 - _RIGHT), 1)


def lanes(steps: Sequence[Any]) -> Lanes | None:
    """Lays out the entries of a `/v1/…/timeline`. Returns None if fewer than two have a known time."""
    timed = [(_seconds(step.occurred_at), step) for step in steps if step.occurred_at is not None]
    if len(timed) < 2:
        return None
    axis = _Axis(min(at for at, _ in timed), max(at for at, _ in timed))
    events: list[EventMark] = []
    more: list[More] = []
    up: list[Tick] = []
    y = _TOP
    for name in dict.fromkeys(_lane(step) for _, step in timed):
        lane = _Stacked([(axis.x(at), step) for at, step in timed if _lane(step) == name])
        up.append(Tick(y, name))
        events += lane.event_marks(y)
        more += lane.more(y)
        y += _HIGH + _APART * (lane.rows - 1)
    places = {step.position: axis.x(at) for at, step in timed}
    marks = [*_runs(steps, places), *_gaps(steps, places)]
    names = ", ".join(tick.text for tick in up)
    words = f"{counted(len(timed), 'event')} over {axis.last - axis.first:g} s in lanes: {names}."
    words += "".join(f" {mark.words}." for mark in marks)
    across = [Tick(axis.x(at), f"+{at - axis.first:.4g} s") for at in _quarters(axis)]
    return Lanes(WIDTH, y + 4, LEFT, events, more, marks, across, up, words)


class _Stacked:
    """The events of a lane, each in the first row in which it overlaps no other."""

    def __init__(self, placed: Sequence[tuple[float, Any]]) -> None:
        self._placed = placed
        self._row: dict[int, int] = {}
        self._hidden: dict[float, list[Any]] = {}
        taken: list[list[float]] = [[] for _ in range(_ROWS)]
        for x, step in placed:
            row = next((at for at, its in enumerate(taken) if all(abs(x - one) >= _APART for one in its)), None)
            if row is None:
                near = next((one for one in self._hidden if abs(one - x) < 3 * _APART), x)
                self._hidden.setdefault(near, []).append(step)
            else:
                taken[row].append(x)
                self._row[step.position] = row
        self.rows = sum(bool(its) for its in taken) + bool(self._hidden)

    def event_marks(self, top: float) -> Iterator[EventMark]:
        """The events that have a row. `top` is the y of the first row."""
        labels = _labels([(x, step) for x, step in self._placed if step.sequence is not None])
        for x, step in self._placed:
            if step.position in self._row:
                number = "" if step.sequence is None else f"#{step.sequence} "
                words = f"{number}{step.type or step.entry}, {step.occurred_at}{_irregular(step)}"
                y = top + _APART * self._row[step.position]
                label = labels.get(step.position, "")
                yield EventMark(x, y, words, _look(step), f"#event-{step.position}", label, top)

    def more(self, top: float) -> Iterator[More]:
        """The events that have no row, counted below the last one."""
        for x, steps in self._hidden.items():
            words = f"{counted(len(steps), 'event')} more at about this time: see the list"
            yield More(x, top + _APART * _ROWS, f"+{len(steps)}", words, f"#event-{steps[0].position}")


def _labels(numbered: Sequence[tuple[float, Any]]) -> dict[int, str]:
    """The labels above a lane, by the position of their event. Events that are close together share one label."""
    groups: list[tuple[float, list[Any]]] = []
    for x, step in sorted(numbered, key=lambda one: (one[0], one[1].sequence)):
        if groups and x - groups[-1][0] < max(_NUMBER, _DIGIT * len(_range(groups[-1][1]))):
            groups[-1][1].append(step)
        else:
            groups.append((x, [step]))
    return {steps[0].position: _range(steps) for _, steps in groups}


def _range(steps: Sequence[Any]) -> str:
    """`4-9`, or `4…9` where others of these numbers stand elsewhere."""
    numbers = sorted({step.sequence for step in steps})
    whole = numbers[-1] - numbers[0] == len(numbers) - 1
    return str(Gap(numbers[0], numbers[-1])) if whole else f"{numbers[0]}…{numbers[-1]}"


def _runs(steps: Sequence[Any], places: dict[int, float]) -> Iterator[Mark]:
    """Marks where a run begins after another one on this page."""
    for before, step in pairwise(steps):
        if step.run != before.run and step.position in places:
            yield Mark(places[step.position], "run", f"run {step.run}", f"Run {step.run} begins")


def _gaps(steps: Sequence[Any], places: dict[int, float]) -> Iterator[Mark]:
    """Marks each gap midway between its neighbors: the time of missing events is unknown."""
    x = None
    for step in steps:
        if step.entry != "gap":
            x = places.get(step.position, x)
        elif step.position in places:
            behind = places[step.position]
            yield Mark(behind if x is None else round((x + behind) / 2, 1), "gap", "gap", step.reason or "A gap")


def _lane(step: Any) -> str:
    """The name of an entry's lane. A handler's outcomes have a lane of their own, although they move a region."""
    return "handler" if step.type in OUTCOMES else str(step.region or "events")


def _look(step: Any) -> str:
    return "irregular" if step.anomalies else "moved" if step.before != step.after else "value"


def _irregular(step: Any) -> str:
    kinds = dict.fromkeys(anomaly.kind for anomaly in step.anomalies)
    return f" ({', '.join(kinds)})" if kinds else ""


def _quarters(axis: _Axis) -> list[float]:
    """The times of the scale: both ends and the quarters between."""
    return sorted({axis.first + (axis.last - axis.first) * part / 4 for part in range(5)})


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
