"""A bitemporal diff: each event recorded between two positions, and the facts that it changed."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from core.event import Event
from core.fold import Kind, Settings, advance, fold

Facts = dict[str, Any]
FactsOf = Callable[[Any], Facts]
"""(a machine's state) -> what is compared of it, by name."""


class FactChange(msgspec.Struct, gc=False):
    """A fact before and after."""

    before: Any
    after: Any


class KnowledgeChange(msgspec.Struct, gc=False):
    """An event and the facts that it changed. `late`: an event that follows it in sequence was known before."""

    event: Event
    late: bool
    changed: dict[str, FactChange]


def knowledge_changes(
    kind: Kind, events: Iterable[Event], known: int, settings: Settings, facts_of: FactsOf, most: int
) -> list[KnowledgeChange]:
    """The changes made by the first `most` events after the position `known`, in the order of recording."""
    ordered = sorted(events, key=lambda event: event.position)
    old = [event for event in ordered if event.position <= known]
    new = ordered[len(old) : len(old) + most]
    return list(_lessons(kind, old, new, settings, facts_of))


def _lessons(
    kind: Kind, old: list[Event], new: Sequence[Event], settings: Settings, facts_of: FactsOf
) -> Iterator[KnowledgeChange]:
    state = fold(kind, old, settings)
    before = facts_of(state)
    for event in new:
        old.append(event)
        if not advance(kind, state, event, settings):
            state = fold(kind, old, settings)
        after = facts_of(state)
        late = any(one.kind == "late" and one.position == event.position for one in state.anomalies)
        yield KnowledgeChange(event, late, changes(before, after))
        before = after


def changes(before: Facts, after: Facts) -> dict[str, FactChange]:
    """The facts that differ; one that is there on one side only is None on the other."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: FactChange(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}
