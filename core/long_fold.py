"""Folds a stream whose events are not all in memory, whole or from a prefix on, and keeps prefixes on the way."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from sys import intern
from typing import Any

import msgspec

from core.event import Event
from core.fold import along, apply, late_in
from core.machines.state import Kind, Settings, Stretch
from core.order import OUTCOMES
from core.prefixes import Cuts, Prefix

PLACING = ("key", "attempt")
NO_DATA: dict[str, Any] = {}

Load = Callable[[Iterator[int]], Iterator[Event]]
"""Gives whole events at positions, in that order."""

Keep = Callable[[Prefix], None]
"""Is given prefixes, of whose states it has to take what it wants at once."""


def bare(event: Event) -> Event:
    """What decides the event's place, without what else it says."""
    kept = {name: event.data[name] for name in PLACING if name in event.data} if event.type in OUTCOMES else NO_DATA
    return msgspec.structs.replace(event, type=intern(event.type), data=kept, notes=())


def fold_loaded(
    kind: Kind,
    events: Iterable[Event],
    load: Load,
    settings: Settings,
    onto: Any,
    keep: Keep | None = None,
) -> Any:
    """What `core.fold.fold` makes of the whole events; these are bare ones."""
    state = kind.State() if onto is None else onto
    places = [(stretch, list(stretch.events)) for stretch in kind.arrange(events)]
    cuts = Cuts(kind, places) if keep is not None and onto is None else None
    return _fold_placed(kind, state, places, load, settings, cuts, keep)


def fold_behind(
    kind: Kind,
    start: Prefix,
    stretches: Iterable[Stretch],
    load: Load,
    settings: Settings,
    keep: Keep,
) -> Any:
    """The same, of the events behind a prefix, as its machine's `go_on` has arranged them; its state is moved on.

    None of them may name a measurement that has left this state.
    """
    places = [(stretch, list(stretch.events)) for stretch in stretches]
    return _fold_placed(kind, start.state, places, load, settings, Cuts(kind, places, start), keep)


def _fold_placed(
    kind: Kind,
    state: Any,
    places: Sequence[tuple[Stretch, Sequence[Event]]],
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
