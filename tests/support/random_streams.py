"""Random streams for every machine: what providers send, shuffled, holed, reloaded, with clocks that step back."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from core.event import SECOND, Event, Note
from core.fold import MACHINES

TYPES = {
    "session": ["session_request", "stop_request", "session_recovery", "handler_succeeded", "handler_failed"],
    "registration": ["server_registration", "server_heartbeat"],
    "action": ["push.completed", "push.failed", "acknowledged", "scheduled", "cancelled"],
    "device": ["device.connected", "device.disconnected", "device.reconnected"],
    "measurement": [trigger for table in MACHINES["measurement"].tables for trigger in table.triggers],
}
DATA: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "session": st.fixed_dictionaries(
        {"session_id": st.just("ada@example.com-com.example.captions"), "user_id": st.just("ada@example.com")},
        optional={"reason": st.sampled_from(["user_disabled", "error"]), "attempt": st.integers(1, 3)},
    ),
    "registration": st.fixed_dictionaries({}, optional={"package_name": st.sampled_from(["a", "b"])}),
    "action": st.fixed_dictionaries(
        {}, optional={"told": st.just(True), "device_id": st.just("d1"), "result": st.sampled_from([1, 2])}
    ),
    "device": st.fixed_dictionaries({}, optional={"device_type": st.sampled_from(["car", "lamp"])}),
    "measurement": st.fixed_dictionaries(
        {},
        optional={
            "measurement_id": st.sampled_from(["m1", "m2", "m3"]),
            "visible": st.sampled_from(["VISIBLE", "hidden", "?"]),
            "snr": st.floats(-100, 100),
        },
    ),
}
NOTES = st.sampled_from([(), (), (), (Note("unknown_type", "?"),)])


@st.composite
def streams(draw: st.DrawFn, machine: str, most: int = 12) -> list[Event]:
    """Events of one stream in the order of their positions."""
    clocks = draw(st.sampled_from([_chaotic, _steady]))(draw, most, numbered=machine == "measurement")
    events = [_event(draw, machine, index, at, number) for index, (at, number) in enumerate(clocks)]
    return _with_handled_keys(draw, events) if machine == "session" else events


def _event(draw: st.DrawFn, machine: str, index: int, at: int | None, number: int | None) -> Event:
    at_us = None if at is None else at * SECOND // 2
    return Event(
        position=2 * index + 1,
        key=bytes([draw(st.integers(0, 255)), index]) * 16,
        type=draw(st.sampled_from(TYPES[machine])),
        sequence=number,
        occurred_at=at_us,
        received_at=draw(st.sampled_from([0, 10**10])),
        signed=draw(st.sampled_from([True, True, True, False])),
        data=draw(DATA[machine]),
        known=draw(st.sampled_from([True] * 9 + [False])),
        notes=draw(NOTES),
    )


def _chaotic(draw: st.DrawFn, most: int, *, numbered: bool) -> Sequence[tuple[int | None, int | None]]:
    times = st.one_of(st.integers(0, 30), st.none()) if not numbered else st.integers(0, 30)
    numbers = st.integers(0, 6) if numbered else st.none()
    return draw(st.lists(st.tuples(times, numbers), max_size=most))


def _steady(draw: st.DrawFn, most: int, *, numbered: bool) -> Sequence[tuple[int | None, int | None]]:
    """In order for the most part: small steps of the clock, numbers that ascend, holes, reloads, a step back."""
    steps = st.tuples(st.sampled_from([0, 1, 2, 2, 4, 20, -6]), st.sampled_from([1, 1, 1, 1, 1, 2, 3, 0, -9]))
    clock, number, placed = 100, -1, []
    for forward, on in draw(st.lists(steps, max_size=most)):
        clock, number = max(0, clock + forward), max(0, number + on) if on > 0 else 0
        placed.append((clock, number if numbered else None))
    return placed


def _with_handled_keys(draw: st.DrawFn, events: list[Event]) -> list[Event]:
    """Gives the handlers' outcomes the key of some event, or of none."""
    for event in events:
        if event.type.startswith("handler"):
            event.data["key"] = draw(st.sampled_from([*(other.key.hex() for other in events), "none"]))
    return events
