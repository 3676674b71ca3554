"""What a log learnt between two of its positions: each event that came, and what it changed in what was known."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from core.event import Event
from core.fold import Kind, Settings, advance, fold

Facts = dict[str, Any]
FactsOf = Callable[[Any], Facts]
"""(a machine's state) -> what is compared of it, by name."""


class Change(msgspec.Struct, gc=False):
    """A fact before and after."""

    before: Any
    after: Any


class Lesson(msgspec.Struct, gc=False):
    """An event that became known, and the facts that it changed. `late`: another one that comes behind it was known."""

    event: Event
    late: bool
    changed: dict[str, Change]


def lessons(
    kind: Kind, events: Iterable[Event], known: int, settings: Settings, facts_of: FactsOf, most: int
) -> list[Lesson]:
    """The first `most` of the events behind the position `known`, one after the other as they were recorded."""
    ordered = sorted(events, key=lambda event: event.position)
    old = [event for event in ordered if event.position <= known]
    new = ordered[len(old) : len(old) + most]
    return list(_lessons(kind, old, new, settings, facts_of))


def _lessons(
    kind: Kind, old: list[Event], new: Sequence[Event], settings: Settings, facts_of: FactsOf
) -> Iterator[Lesson]:
    state = fold(kind, old, settings)
    before = facts_of(state)
    for event in new:
        old.append(event)
        if not advance(kind, state, event, settings):
            state = fold(kind, old, settings)
        after = facts_of(state)
        late = any(one.kind == "late" and one.position == event.position for one in state.anomalies)
        yield Lesson(event, late, changes(before, after))
        before = after


def changes(before: Facts, after: Facts) -> dict[str, Change]:
    """The facts that differ; one that is there on one side only is None on the other."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: Change(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}
