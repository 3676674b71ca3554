"""Repeats measurements in turn and says what they come to."""

import sys
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

Value = TypeVar("Value")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of all stays below or at."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def interleaved(rounds: int, contenders: Mapping[str, Callable[[], Value]]) -> dict[str, list[Value]]:
    """Each contender once a round, so that a busy moment of the machine hits all; every round begins elsewhere."""
    taken: dict[str, list[Value]] = {name: [] for name in contenders}
    names = list(contenders)
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            taken[name].append(contenders[name]())
    return taken


def ratios(values: Sequence[float], references: Sequence[float]) -> float:
    """The median of the ratios of each round."""
    return median(value / reference for value, reference in zip(values, references, strict=True))


def best(taken: Mapping[str, Sequence[float]], prefix: str) -> str:
    """The name with that prefix whose median is the highest."""
    return max((name for name in taken if name.startswith(prefix)), key=lambda name: median(taken[name]))


def say(text: str) -> None:
    """Tells a person what goes on; the results go elsewhere."""
    print(text, file=sys.stderr, flush=True)
