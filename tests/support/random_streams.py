"""Random streams for every machine: what providers send, shuffled, holed, reloaded, with clocks that step back.

Few strategies, each made once, and few draws: a draw costs far more than the fold of what it gives.
"""

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

from hypothesis import strategies as st

from core.event import SECOND, Event, Note
from core.folding.fold import MACHINES

TYPES = {
    "session": ["session_request", "stop_request", "session_recovery", "handler_succeeded", "handler_failed"],
    "registration": ["server_registration", "server_heartbeat"],
    "action": ["push.completed", "push.failed", "acknowledged", "scheduled", "cancelled"],
    "device": ["device.connected", "device.disconnected", "device.reconnected"],
    "measurement": [trigger for table in MACHINES["measurement"].tables for trigger in table.triggers],
}
TYPED = {machine: st.sampled_from(types) for machine, types in TYPES.items()}


def _any_of(always: dict[str, Any], **optional: Sequence[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Documents that have each of the optional names with one of its values, or do not have it."""
    choices = [[{}, *({name: value} for value in values)] for name, values in optional.items()]
    known = [[pair for part in parts for pair in part.items()] for parts in product(*choices)]
    return st.sampled_from(known).map(lambda pairs: always | dict(pairs))


DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "session": _any_of(
        {"session_id": "ada@example.com-com.example.captions", "user_id": "ada@example.com"},
        reason=["user_disabled", "error"],
        attempt=[1, 2, 3],
    ),
    "registration": _any_of({}, package_name=["a", "b"]),
    "action": _any_of({}, told=[True], device_id=["d1"], result=[1, 2]),
    "device": _any_of({}, device_type=["car", "lamp"]),
    "measurement": st.builds(
        lambda named, heard: named | heard,
        _any_of({}, measurement_id=["m1", "m2", "m3"], visible=["VISIBLE", "hidden", "?"]),
        st.one_of(st.just({}), st.floats(-100, 100).map(lambda snr: {"snr": snr})),
    ),
}
KEYS = st.integers(0, 255)
NOTES = [(), (), (), (Note("unknown_type", "?"),)]
ENVELOPES = st.sampled_from(list(product([0, 10**10], [True, True, True, False], [True] * 9 + [False], NOTES)))
"""When it came, whether it was signed, whether its type is known, and its notes."""


@st.composite
def streams(draw: st.DrawFn, machine: str, most: int = 12) -> list[Event]:
    """Events of one stream in the order of their positions."""
    clocks = draw(_clocks(most, machine == "measurement"))
    events = [_event(draw, machine, index, at, number) for index, (at, number) in enumerate(clocks)]
    return _with_handled_keys(draw, events) if machine == "session" else events


def _event(draw: st.DrawFn, machine: str, index: int, at: int | None, number: int | None) -> Event:
    received_at, signed, known, notes = draw(ENVELOPES)
    return Event(
        position=2 * index + 1,
        key=bytes([draw(KEYS), index]) * 16,
        type=draw(TYPED[machine]),
        sequence=number,
        occurred_at=None if at is None else at * SECOND // 2,
        received_at=received_at,
        signed=signed,
        data=draw(DATA[machine]),
        known=known,
        notes=notes,
    )


Clocks = Sequence[tuple[int | None, int | None]]


@cache
def _clocks(most: int, numbered: bool) -> st.SearchStrategy[Clocks]:
    """Times and numbers, chaotic or steady."""
    times = st.integers(0, 30) if numbered else st.one_of(st.integers(0, 30), st.none())
    numbers = st.integers(0, 6) if numbered else st.none()
    chaotic = st.lists(st.tuples(times, numbers), max_size=most)
    steps = st.sampled_from(list(product([0, 1, 2, 2, 4, 20, -6], [1, 1, 1, 1, 1, 2, 3, 0, -9])))
    steady = st.lists(steps, max_size=most).map(lambda taken: _steady(taken, numbered=numbered))
    return chaotic | steady


def _steady(steps: Sequence[tuple[int, int]], *, numbered: bool) -> Clocks:
    """In order for the most part: small steps of the clock, numbers that ascend, holes, reloads, a step back."""
    clock, number, placed = 100, -1, []
    for forward, on in steps:
        clock, number = max(0, clock + forward), max(0, number + on) if on > 0 else 0
        placed.append((clock, number if numbered else None))
    return placed


def _with_handled_keys(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    """Gives the handlers' outcomes the key of some event, or of none."""
    keys = st.sampled_from([*(event.key.hex() for event in events), "none"])
    for event in events:
        if event.type.startswith("handler"):
            event.data["key"] = draw(keys)
    return events
