"""Writes histories down shortly: `wms("WMS_LOADED 0", "INTERMEDIATE_RESULTS 7 @12 measurement_id=m1 snr=3.5")`."""

import hashlib
import json
from typing import Any

from core.event import SECOND, Event

START = 1_700_000_000
"""Seconds since 1970 that `@0` stands for."""


def stream(*lines: str, every: float = 2) -> list[Event]:
    """Events in the order of their arrival, from `type [number] [@seconds] [name=value ...]`.

    Without `@` an event happens `every` seconds after the one before; `@?` leaves the time unknown. A value is JSON
    where it can be read as such, else text.
    """
    events: list[Event] = []
    clock = -every
    for line in lines:
        event = _event(line, len(events) + 1, clock + every)
        clock = clock + every if event.occurred_at is None else event.occurred_at / SECOND - START
        events.append(event)
    return events


wms = stream


def _event(line: str, position: int, clock: float) -> Event:
    kind, *words = line.split()
    number = next((int(word) for word in words if word.lstrip("-").isdigit()), None)
    said = next((word[1:] for word in words if word.startswith("@")), str(clock))
    at = None if said == "?" else round((START + float(said)) * SECOND)
    data = dict(_pair(word) for word in words if "=" in word)
    received = data.pop("received", None)
    known = data.pop("known", True)
    return Event(
        position=position,
        key=hashlib.sha256(f"{line} {at}".encode()).digest(),
        type=kind,
        sequence=number,
        occurred_at=at,
        received_at=(START + received) * SECOND if received is not None else at or START * SECOND,
        signed=bool(data.pop("signed", True)),
        data=data,
        known=known,
    )


def _pair(word: str) -> tuple[str, Any]:
    name, value = word.split("=", 1)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def kinds(state: Any) -> list[tuple[str, int]]:
    """The anomalies of a state without their words."""
    return [(anomaly.kind, anomaly.position) for anomaly in state.anomalies]
