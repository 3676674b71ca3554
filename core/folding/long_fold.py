"""Folds a stream whose events do not all fit in memory, from its start or from a prefix, and collects prefixes on the
way.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from sys import intern
from typing import Any

import msgspec

from core.event import Event
from core.folding.fold import along, apply, late_in
from core.folding.prefixes import Cuts, Prefix
from core.ordering.order import OUTCOMES
from core.states.state import Segment, Settings, StateMachine

PLACING = ("key", "attempt")
NO_DATA: dict[str, Any] = {}

Load = Callable[[Iterator[int]], Iterator[Event]]
"""Loads complete events at positions, in that order."""

Keep = Callable[[Prefix], None]
"""Receives each prefix. It must copy what it needs of the state at once, because the fold continues to change it."""


def bare(event: Event) -> Event:
    """The event with only the fields that decide its place in canonical order."""
    kept = {name: event.data[name] for name in PLACING if name in event.data} if event.type in OUTCOMES else NO_DATA
    return msgspec.structs.replace(event, type=intern(event.type), data=kept, notes=())


def fold_loaded(
    kind: StateMachine, events: Iterable[Event], load: Load, settings: Settings, onto: Any, keep: Keep | None = None
) -> Any:
    """The result of `core.folding.fold.fold`, from bare events that are loaded completely as they are folded."""
    state = kind.State() if onto is None else onto
    places = [(stretch, list(stretch.events)) for stretch in kind.arrange(events)]
    cuts = Cuts(kind, places) if keep is not None and onto is None else None
    return _fold_placed(kind, state, places, load, settings, cuts, keep)


def fold_behind(
    kind: StateMachine, start: Prefix, stretches: Iterable[Segment], load: Load, settings: Settings, keep: Keep
) -> Any:
    """The same for events after a prefix, arranged by the machine's `go_on`. Updates the prefix's state in place.

    None of the events may name a measurement that has left this state.
    """
    places = [(stretch, list(stretch.events)) for stretch in stretches]
    return _fold_placed(kind, start.state, places, load, settings, Cuts(kind, places, start), keep)


def _fold_placed(
    kind: StateMachine,
    state: Any,
    places: Sequence[tuple[Segment, Sequence[Event]]],
    load: Load,
    settings: Settings,
    cuts: Cuts | None,
    keep: Keep | None,
) -> Any:
    whole = load(event.position for _, placed in places for event in placed)
    loaded = (msgspec.structs.replace(stretch, events=islice(whole, len(placed))) for stretch, placed in places)
    for event, notes in along(kind, state, loaded, late_in([stretch for stretch, _ in places])):
        apply(kind, state, event, notes, settings)
        if cuts is not None and keep is not None and (prefix := cuts.behind(state, event)) is not None:
            keep(prefix)
    return state
