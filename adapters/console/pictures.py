"""Computes the layout of diagrams and plots. The templates render them as SVG and escape all text.

A machine is drawn as an arc diagram: its states in a column, as they are declared, steps forward as arcs on the right,
steps back on the left. That needs no layout engine, stands on a telephone's width, and never moves a state.
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from adapters.console.numbers import counted
from core.ordering.gaps import Gap

WIDE = 4
"""The most source states of a transition that has arcs. One with more is in the table only, unless it was taken."""

_WIDTH, _BOX, _HIGH, _STEP = 360, 150, 28, 46
_LEFT = (_WIDTH - _BOX) / 2
_RIGHT = _LEFT + _BOX
_REACH = 90

PLOT_WIDTH, PLOT_HEIGHT = 480, 250
PLOT_LEFT = 74
_MARGIN = 44
_PLOT_TOP, _PLOT_BOTTOM = 34, 48
_CLEAR = 9
"""The distance between a gap's band and the points beside it, in pixels."""
_TOLD = 5
"""The most gaps that are described under a plot."""

_FAILED = frozenset({-100.0, -90.0, -91.0})
"""Values of `snr` by which WMS reports a failure instead of a ratio."""

Move = tuple[str, str]


class Box(NamedTuple):
    """A state. `look` are its CSS classes."""

    name: str
    x: float
    y: float
    look: str


class Arc(NamedTuple):
    """A transition. `path` is the SVG path, `words` its text alternative."""

    path: str
    look: str
    words: str


class Diagram(NamedTuple):
    """A machine's states and transitions. `words` is the text alternative for screen readers."""

    width: int
    height: int
    box: tuple[int, int]
    boxes: list[Box]
    arcs: list[Arc]
    words: str


class Point(NamedTuple):
    """A value of a plot. `look` is its CSS class: `failed` for a reported failure, which is at the lower edge."""

    x: float
    y: float
    words: str
    href: str
    look: str


class Tick(NamedTuple):
    """A line of a plot's scale, at a coordinate, with its label."""

    at: float
    text: str


class Hole(NamedTuple):
    """A band from top to bottom where a plot has no values between two points."""

    x: float
    y: float
    width: float
    height: float
    words: str


class Plot(NamedTuple):
    """Points, lines between points with consecutive numbers, bands between the others, and the scales.

    `along` and `of` name the axes with their unit. `lacks` describes the first gaps.
    """

    width: int
    height: int
    left: int
    points: list[Point]
    lines: list[str]
    holes: list[Hole]
    across: list[Tick]
    up: list[Tick]
    along: str
    of: str
    lacks: str
    words: str


def diagram(region: Any, taken: Sequence[Move] = (), present: str | None = None) -> Diagram:
    """Lays out a region of `/v1/machines`, with the transitions that were taken and the present state."""
    rows = {name: index for index, name in enumerate(region.states)}
    been = {name for move in taken for name in move}
    boxes = [
        Box(name, _LEFT, 8 + index * _STEP, _look(name, present, been, region.initial)) for name, index in rows.items()
    ]
    triggers = _steps(region.transitions, set(taken))
    drawn = sorted(triggers, key=lambda move: move in set(taken))
    arcs = [_arc(rows, move, triggers[move], move in set(taken)) for move in drawn]
    path = " → ".join([*(move[0] for move in taken[:1]), *(move[1] for move in taken)])
    words = f"States of {region.name}: {', '.join(region.states)}."
    words += f" The path taken: {path}." if path else ""
    words += f" The present state: {present}." if present else ""
    return Diagram(_WIDTH, len(boxes) * _STEP, (_BOX, _HIGH), boxes, arcs, words)


def signal(chunks: Sequence[Any]) -> Plot | None:
    """Plots SNR by chunk. Returns None if no chunk has one. A missing number breaks the line; the gap has a label."""
    known = [(chunk.sequence if chunk.sequence is not None else index, chunk) for index, chunk in enumerate(chunks)]
    told = [(number, chunk) for number, chunk in known if chunk.snr is not None]
    if not told:
        return None
    told.sort(key=lambda one: one[0])
    values = [chunk.snr for _, chunk in told if chunk.snr not in _FAILED]
    low, high = min([0.0, *values]), max([1.0, *values])
    first, last = told[0][0], told[-1][0]
    points = [_point(number, chunk, _across(number, first, last), low, high) for number, chunk in told]
    numbers = [number for number, _ in told]
    sound = [(number, point) for number, point in zip(numbers, points, strict=True) if not point.look]
    lines = _lines([number for number, _ in sound], [point for _, point in sound])
    holes = _holes(numbers, points, {number for number, _ in known})
    across = [Tick(_across(number, first, last), str(number)) for number in sorted({first, (first + last) // 2, last})]
    up = [Tick(_up(value, low, high), f"{value:.3g}") for value in (low, (low + high) / 2, high)]
    words = f"Signal-to-noise ratio in decibels over {counted(len(told), 'chunk')}"
    words += f", from {values[0]:g} to {values[-1]:g}." if values else "."
    failed = len(told) - len(sound)
    words += f" {counted(failed, 'chunk reports', 'chunks report')} a failure." if failed else ""
    lacks = "; ".join(hole.words for hole in holes[:_TOLD])
    lacks += f"; and {counted(len(holes) - _TOLD, 'band')} more" if len(holes) > _TOLD else ""
    words += f" {lacks}." if lacks else ""
    axes = ("chunk", "SNR in dB")
    return Plot(PLOT_WIDTH, PLOT_HEIGHT, PLOT_LEFT, points, lines, holes, across, up, *axes, lacks, words)


def _point(number: int, chunk: Any, x: float, low: float, high: float) -> Point:
    failed = chunk.snr in _FAILED
    words = f"chunk {number}: a failure ({chunk.snr:g})" if failed else f"chunk {number}: {chunk.snr:g} dB"
    y = _up(low if failed else chunk.snr, low, high)
    return Point(x, y, words, f"/events/{chunk.position}", "failed" if failed else "")


def _steps(transitions: Iterable[Any], taken: set[Move]) -> Mapping[Move, list[str]]:
    """The triggers by transition. Includes taken transitions that the declaration lacks."""
    found: dict[Move, list[str]] = {move: [] for move in taken if move[0] != move[1]}
    for row in transitions:
        for start in row.from_:
            move = (start, row.to or start)
            if start != move[1] and (len(row.from_) <= WIDE or move in taken):
                found.setdefault(move, []).append(row.trigger)
    return found


def _look(name: str, present: str | None, been: set[str], initial: str) -> str:
    if name == present:
        return "state present"
    return "state been" if name in been else "state initial" if name == initial else "state"


def _arc(rows: Mapping[str, int], move: Move, triggers: Sequence[str], taken: bool) -> Arc:
    start, end = (8 + _HIGH / 2 + rows[name] * _STEP for name in move)
    span = rows[move[1]] - rows[move[0]]
    look = "arc taken" if taken else "arc"
    words = f"{move[0]} → {move[1]}" + (f": {', '.join(dict.fromkeys(triggers))}" if triggers else "")
    if span == 1:
        middle = _WIDTH / 2
        return Arc(f"M {middle} {start + _HIGH / 2} L {middle} {end - _HIGH / 2 - 2}", look, words)
    reach = 14 + (_REACH - 14) * (abs(span) - 1) / max(len(rows) - 1, 1)
    side, away = (_RIGHT, 1) if span > 0 else (_LEFT, -1)
    bend = side + away * reach * 4 / 3
    return Arc(
        f"M {side} {start + 4} C {bend:g} {start + 4:g} {bend:g} {end - 4:g} {side + away * 2} {end - 4:g}", look, words
    )


def _lines(numbers: Sequence[int], points: Sequence[Point]) -> list[str]:
    """The lines through the points. A line ends where a number is missing."""
    lines: list[list[str]] = [[]]
    for before, number, point in zip([*numbers[:1], *numbers], numbers, points, strict=False):
        if number > before + 1:
            lines.append([])
        lines[-1].append(f"{point.x:.1f},{point.y:.1f}")
    return [" ".join(line) for line in lines if len(line) > 1]


def _holes(numbers: Sequence[int], points: Sequence[Point], came: set[int]) -> list[Hole]:
    """The bands between points whose numbers are not consecutive. A received chunk may have no SNR."""
    holes = []
    for (before, left), (number, right) in pairwise(zip(numbers, points, strict=True)):
        if number > before + 1:
            wide = max(2.0, right.x - left.x - 2 * _CLEAR)
            x = round((left.x + right.x - wide) / 2, 1)
            height = PLOT_HEIGHT - _PLOT_TOP - _PLOT_BOTTOM
            holes.append(Hole(x, _PLOT_TOP, round(wide, 1), height, _lacks(before + 1, number - 1, came)))
    return holes


def _lacks(first: int, last: int, came: set[int]) -> str:
    """Describes the chunks `first` to `last`, which have no SNR."""
    silent = sum(first <= number <= last for number in came)
    what = f"chunk {first}" if first == last else f"chunks {Gap(first, last)}"
    if not silent:
        return f"{what.capitalize()} {'has' if first == last else 'have'} not come"
    return f"{what.capitalize()} told no signal" + ("" if silent == last - first + 1 else ", or never came")


def _across(value: float, first: float, last: float) -> float:
    part = (value - first) / (last - first) if last > first else 0.5
    return round(PLOT_LEFT + part * (PLOT_WIDTH - PLOT_LEFT - _MARGIN), 1)


def _up(value: float, low: float, high: float) -> float:
    part = (value - low) / (high - low)
    return round(PLOT_HEIGHT - _PLOT_BOTTOM - part * (PLOT_HEIGHT - _PLOT_TOP - _PLOT_BOTTOM), 1)
