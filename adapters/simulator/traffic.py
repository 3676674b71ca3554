"""Puts plays one behind the other, repeats some messages and lets some come late: lazily, and the same for a seed."""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from adapters.simulator.message import Message, Stage
from adapters.simulator.scenarios import Scenario

REACH = 6
"""A late message is overtaken by this many others at most."""


def plays(scenarios: Sequence[Scenario], provider: str, count: int, stage: Callable[[], Stage]) -> Iterator[Message]:
    """`count` plays, the scenarios in turn, each on a stage of its own."""
    for number in range(count):
        yield from scenarios[number % len(scenarios)](stage(), provider)


def disturbed(messages: Iterable[Message], duplicates: float, disorder: float, random: Random) -> Iterator[Message]:
    """Repeats each message with the chance `duplicates`, holds it back with the chance `disorder` (0 to 1 each)."""
    waiting: list[tuple[float, int, Message]] = []
    made = 0
    for index, message in enumerate(messages):
        for place in _places(index, duplicates, disorder, random):
            made += 1
            heapq.heappush(waiting, (place, made, message))
        while waiting and waiting[0][0] <= index:
            yield heapq.heappop(waiting)[2]
    while waiting:
        yield heapq.heappop(waiting)[2]


def _places(index: int, duplicates: float, disorder: float, random: Random) -> Iterator[float]:
    """Where the message goes, and where its repetition goes; a place between two indices is behind the first."""
    late = random.random() < disorder
    yield index + random.uniform(0.5, REACH) if late else index
    if random.random() < duplicates:
        yield index + random.uniform(0, REACH)
