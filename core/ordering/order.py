"""Canonical order for providers that number nothing: by time, then by the type's rank, then by key."""

from collections.abc import Iterable
from operator import itemgetter

from core.event import Event
from core.states.state import Segment, State

OrderKey = tuple[int | str, ...]
"""(time, rank, key in hex). For a handler's outcome: that of its event, then (attempt, own key in hex)."""

UNKNOWN_TIME = 1 << 62
"""Sorts after every instant."""

LAST = 9
RANKS = {
    "stop_request": 0,
    "session_request": 1,
    "session_recovery": 2,
    "server_registration": 0,
    "server_heartbeat": 1,
    "acknowledged": 0,
    "scheduled": 1,
}
"""The order of events of one instant: a restart stops before it starts, and a live state precedes an ending."""

OUTCOMES = frozenset({"handler_succeeded", "handler_failed"})


def place(event: Event) -> OrderKey:
    """The event's place in its stream, by its own clock."""
    at = UNKNOWN_TIME if event.occurred_at is None else event.occurred_at
    return (at, RANKS.get(event.type, LAST), event.key.hex())


def behind(target: OrderKey, event: Event) -> OrderKey:
    """The place of a handler's outcome: directly after the event that the handler received, by attempt."""
    attempt = event.data.get("attempt")
    return (*target[:3], int(attempt) if isinstance(attempt, int) else 0, event.key.hex())


def by_time(events: Iterable[Event]) -> list[Segment]:
    """All of the events as one stretch, in canonical order."""
    placed, waiting = _placed(events)
    return [_stretch(placed, waiting=waiting)] if placed else []


def go_on_by_time(state: State, events: Iterable[Event]) -> list[Segment] | None:
    """The same for events that all follow those of the state; None if one of them may not."""
    placed, waiting = _placed(events, state.tail)
    if placed and (waiting or state.waiting or placed[0][0] <= state.tail):
        return None
    return [_stretch(placed, waiting=False)] if placed else []


def _stretch(placed: list[tuple[OrderKey, Event]], *, waiting: bool) -> Segment:
    return Segment([event for _, event in placed], tail=placed[-1][0], waiting=waiting)


def _placed(events: Iterable[Event], tail: OrderKey = ()) -> tuple[list[tuple[OrderKey, Event]], bool]:
    """The events with their places, in order; and whether an outcome's event is missing. `tail` is the place before
    them.
    """
    listed = list(events)
    outcomes = [event for event in listed if event.type in OUTCOMES]
    placed = [(place(event), event) for event in listed if event.type not in OUTCOMES]
    known = {where[2]: where for where in (tail, *(where for where, _ in placed)) if where} if outcomes else {}
    placed += [(_placed_outcome(known, event), event) for event in outcomes]
    placed.sort(key=itemgetter(0))
    return placed, any(event.data.get("key") not in known for event in outcomes)


def _placed_outcome(known: dict[int | str, OrderKey], event: Event) -> OrderKey:
    target = known.get(event.data.get("key", ""))
    return behind(target, event) if target else place(event)


def begin_by_time(state: State, stretch: Segment) -> None:
    """Stores the last place, with which `follow_by_time` compares the next event."""
    state.tail = stretch.tail
    state.waiting = stretch.waiting


def follow_by_time(state: State, event: Event) -> tuple[()] | None:
    """Stores the event's place and returns () if it is the last in canonical order; None if it may not be."""
    if state.waiting:
        return None
    where = place(event) if event.type not in OUTCOMES else _behind_tail(state.tail, event)
    if where is None or where <= state.tail:
        return None
    state.tail = where
    return ()


def _behind_tail(tail: OrderKey, event: Event) -> OrderKey | None:
    return behind(tail, event) if tail[2:3] == (event.data.get("key"),) else None
