"""A bitemporal diff: each event recorded between two positions, and the facts that it changed."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import msgspec

from core.event import Event
from core.folding.fold import Settings, StateMachine, advance, decode, encode, fold, fold_on, late_in, late_positions
from core.views.timeline import Following

Facts = dict[str, Any]
FactsOf = Callable[[Any], Facts]
"""Maps a machine's state to the facts that are compared, by name."""


class FactChange(msgspec.Struct, gc=False):
    """A fact before and after."""

    before: Any
    after: Any


class KnowledgeChange(msgspec.Struct, gc=False):
    """An event and the facts that it changed. `late`: an event that follows it in order was known before."""

    event: Event
    late: bool
    changed: dict[str, FactChange]


class KnownBefore(msgspec.Struct, gc=False):
    """How many events of a stream were known, how many of these are late by now, and what the events after them
    changed.
    """

    events: int
    late: int
    lessons: list[KnowledgeChange]


def knowledge_changes(
    kind: StateMachine, events: Iterable[Event], known: int, settings: Settings, facts_of: FactsOf, most: int
) -> KnownBefore:
    """The changes made by the first `most` events after the position `known`, in the order of recording."""
    old, new = _parted(events, known)
    late = late_positions(kind, (*old, *new)).intersection(event.position for event in old)
    teacher = _Teacher(kind, settings, facts_of, lambda some: fold(kind, some, settings))
    return KnownBefore(len(old), len(late), teacher.lessons(old, new[:most]) or [])


def changes_behind(
    kind: StateMachine, part: Following, known: int, settings: Settings, facts_of: FactsOf, most: int
) -> KnownBefore | None:
    """`knowledge_changes` for events that all follow a prefix; None if the prefix is not enough to be certain.

    `part` holds what was known then and the first events recorded since. Only facts that are still in the state are
    compared.
    """
    old, new = _parted(part.events, known)
    stretches, start = kind.go_on(part.state, part.events), encode(part.state)
    if stretches is None or any(part.state.elsewhere(event) in part.gone for event in part.events):
        return None

    def folded(some: Sequence[Event]) -> Any:
        state = decode(kind, start)
        return state if fold_on(kind, state, some, settings, part.gone) else None

    late = (late_in(stretches) | part.late).intersection(event.position for event in old)
    lessons = _Teacher(kind, settings, facts_of, folded).lessons(old, new[:most])
    counted = part.state.events + len(old), part.state.counts.get("late", 0) + len(late)
    return None if lessons is None else KnownBefore(*counted, lessons)


def _parted(events: Iterable[Event], known: int) -> tuple[list[Event], list[Event]]:
    ordered = sorted(events, key=lambda event: event.position)
    old = [event for event in ordered if event.position <= known]
    return old, ordered[len(old) :]


class _Teacher:
    """Finds what each event changed. `folded` returns the state of some events, or None if that is not certain."""

    def __init__(
        self, kind: StateMachine, settings: Settings, facts_of: FactsOf, folded: Callable[[Sequence[Event]], Any]
    ) -> None:
        self._kind = kind
        self._settings = settings
        self._facts_of = facts_of
        self._folded = folded

    def lessons(self, old: list[Event], new: Sequence[Event]) -> list[KnowledgeChange] | None:
        """The change made by each of the new events, in this order."""
        state, found = self._folded(old), list[KnowledgeChange]()
        before = {} if state is None else self._facts_of(state)
        for number, event in enumerate(new, 1):
            if state is not None and not advance(self._kind, state, event, self._settings):
                state = self._folded([*old, *new[:number]])
            if state is None:
                return None
            after = self._facts_of(state)
            late = any(one.kind == "late" and one.position == event.position for one in state.anomalies)
            found.append(KnowledgeChange(event, late, changes(before, after)))
            before = after
        return None if state is None else found


def changes(before: Facts, after: Facts) -> dict[str, FactChange]:
    """The facts that differ. A fact that is missing on one side is None there."""
    names = dict.fromkeys([*before, *after])
    pairs = {name: (before.get(name), after.get(name)) for name in names}
    return {name: FactChange(*pair) for name, pair in pairs.items() if pair[0] != pair[1]}
