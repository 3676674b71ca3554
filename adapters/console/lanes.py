"""Where the events of a timeline stand on a time axis: lanes for the regions and the handler, numbers, holes, runs."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from adapters.console.numbers import counted
from adapters.console.pictures import Tick
from core.ordering.order import OUTCOMES

WIDTH, LEFT = 860, 122
_TOP, _HIGH, _RIGHT = 40, 44, 36
_NUMBER = 18
"""Room that a number takes: where it would lie over the one before, it is told on hover alone."""


class Happening(NamedTuple):
    """An event. `look`: whether it moved its region, or is irregular. `number`: the provider's, where there is room."""

    x: float
    y: float
    words: str
    look: str
    href: str
    number: str


class Mark(NamedTuple):
    """A line across all lanes: `gap`, numbers that never came, or `run`, where one begins."""

    x: float
    look: str
    text: str
    words: str


class Lanes(NamedTuple):
    """Events with their marks, and the scales; `words` tell the picture to who does not see it."""

    width: int
    height: int
    left: int
    events: list[Happening]
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
    """The entries of a timeline (shapes of `/v1/…/timeline`); None where no time is known of two events."""
    timed = [(_seconds(step.occurred_at), step) for step in steps if step.occurred_at is not None]
    if len(timed) < 2:
        return None
    regions = list(dict.fromkeys(_lane(step) for _, step in timed))
    axis = _Axis(min(at for at, _ in timed), max(at for at, _ in timed))
    events = list(_happenings(timed, regions, axis))
    places = {step.position: event.x for (_, step), event in zip(timed, events, strict=True)}
    bottom = _TOP + _HIGH * len(regions)
    marks = [*_runs(steps, places), *_gaps(steps, places)]
    words = f"{counted(len(timed), 'event')} over {axis.last - axis.first:g} s in lanes: {', '.join(regions)}."
    words += "".join(f" {mark.words}." for mark in marks)
    across = [Tick(axis.x(at), f"+{at - axis.first:.4g} s") for at in _quarters(axis)]
    up = [Tick(_TOP + _HIGH * index, name) for index, name in enumerate(regions)]
    return Lanes(WIDTH, bottom + 4, LEFT, events, marks, across, up, words)


def _happenings(timed: Sequence[tuple[float, Any]], regions: Sequence[str], axis: _Axis) -> Iterator[Happening]:
    told: dict[str, float] = {}
    for at, step in timed:
        x, lane = axis.x(at), _lane(step)
        has_room = step.sequence is not None and abs(x - told.get(lane, -WIDTH)) >= _NUMBER
        if has_room:
            told[lane] = x
        number = "" if step.sequence is None else f"#{step.sequence} "
        words = f"{number}{step.type or step.entry}, {step.occurred_at}{_irregular(step)}"
        y = _TOP + _HIGH * regions.index(lane)
        yield Happening(x, y, words, _look(step), f"#event-{step.position}", str(step.sequence) if has_room else "")


def _runs(steps: Sequence[Any], places: dict[int, float]) -> Iterator[Mark]:
    """Where a run begins on this page behind another one."""
    for before, step in pairwise(steps):
        if step.run != before.run and step.position in places:
            yield Mark(places[step.position], "run", f"run {step.run}", f"Run {step.run} begins")


def _gaps(steps: Sequence[Any], places: dict[int, float]) -> Iterator[Mark]:
    """Between the events around it: when what never came happened is not known."""
    x = None
    for step in steps:
        if step.entry != "gap":
            x = places.get(step.position, x)
        elif step.position in places:
            behind = places[step.position]
            yield Mark(behind if x is None else round((x + behind) / 2, 1), "gap", "gap", step.reason or "A gap")


def _lane(step: Any) -> str:
    """What a handler did moves a region as well, but is of its own making."""
    return "handler" if step.type in OUTCOMES else str(step.region or "events")


def _look(step: Any) -> str:
    return "irregular" if step.anomalies else "moved" if step.before != step.after else "value"


def _irregular(step: Any) -> str:
    kinds = dict.fromkeys(anomaly.kind for anomaly in step.anomalies)
    return f" ({', '.join(kinds)})" if kinds else ""


def _quarters(axis: _Axis) -> list[float]:
    """Where the scale is told: at both ends, and at the quarters between."""
    return sorted({axis.first + (axis.last - axis.first) * part / 4 for part in range(5)})


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
