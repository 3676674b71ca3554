"""Generates a lazy sequence of messages from scenarios, with some duplicated and some delayed.

The same seed gives the same sequence.
"""

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from adapters.simulator.message import Message, ScenarioContext
from adapters.simulator.scenarios import Scenario

REACH = 6
"""A late message is overtaken by this many others at most."""


def plays(
    scenarios: Sequence[Scenario], provider: str, count: int, context: Callable[[], ScenarioContext]
) -> Iterator[Message]:
    """Yields the messages of `count` scenarios, which are taken in turn. `context` makes the context of each."""
    for number in range(count):
        yield from scenarios[number % len(scenarios)](context(), provider)


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
    """Yields the sort key of the message, then that of its duplicate if it has one. A delay is added to the index."""
    late = random.random() < disorder
    yield index + random.uniform(0.5, REACH) if late else index
    if random.random() < duplicates:
        yield index + random.uniform(0, REACH)
