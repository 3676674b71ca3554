"""Every page of the console over a log of mixed traffic, in groups; and each filter of each list, with what is rare."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from bench.asking import Asking
from bench.mixed import PROVIDERS
from core.event import ANOMALIES, READINGS
from core.folding.fold import MACHINES

MOMENTS = 12
"""Instants of the past that are asked for in turn: no answer is one that was kept."""

CLOCKS = ("known_at", "as_of", "both")
STREAMS = ("sessions", "measurements", "actions", "devices", "registrations")
_MACHINES = {
    "sessions": ("session", "measurement"),
    "measurements": ("measurement",),
    "actions": ("action",),
    "devices": ("device",),
    "registrations": ("registration",),
}
_OUTCOMES = ("completed", "canceled", "denied", "failed", "abandoned")
_DUE = {"sessions": ("overdue", "presumed_ended"), "actions": ("overdue",), "registrations": ("silent",)}
_ALWAYS = {
    "sessions": "retry_then_success-always",
    "devices": "devices-always",
    "registrations": "registration-always",
}
"""The streams that have no end, by the provider's ids."""


class Moment(NamedTuple):
    """When an event was recorded, and when it happened."""

    known_at: str
    as_of: str


class Page(NamedTuple):
    """A page, under the group that its figure stands in; it is asked for by these addresses in turn."""

    group: str
    name: str
    paths: Sequence[str]


def pages(ask: Asking) -> Iterator[Page]:
    """All of them. `ask` finds the things and the times that are in the log."""
    for path in ("/", "/machines", "/replays", "/docs", "/events/1"):
        yield Page("overview and others", path, [path])
    moments = _moments(ask)
    yield from _lists(moments)
    yield from _things(ask, moments)


def _lists(moments: Sequence[Moment]) -> Iterator[Page]:
    for name in (*STREAMS, "deliveries", "events"):
        yield Page("lists", f"/{name}", [f"/{name}"])
        filters = list(_filters(name, moments))
        for one in filters:
            yield Page("lists with a filter", f"/{name}?{one}", [f"/{name}?{one}"])
        for clock in CLOCKS if name in STREAMS else ():
            yield Page("lists of the past", f"/{name}, {clock}", _past(f"/{name}?", clock, moments))
            for one in filters:
                if "since" not in one and "until" not in one:
                    name_of_it = f"/{name}?{one}, {clock}"
                    yield Page("lists of the past with a filter", name_of_it, _past(f"/{name}?{one}&", clock, moments))


def _filters(name: str, moments: Sequence[Moment]) -> Iterator[str]:
    yield from (f"source={source}" for source in PROVIDERS)
    if name == "deliveries":
        yield from (
            "position=1000",
            "reason=signature_mismatch",
            *(f"verdict={word}" for word in ("new", "duplicate", "conflict", "rejected")),
        )
    elif name == "events":
        yield from ("after=1000", *(f"reading={word}" for word in READINGS))
    else:
        yield from ("provider=wms", "provider=augmentos")
        yield from (f"state={state}" for state in _states(name))
        yield from (f"anomaly={kind}" for kind in ANOMALIES)
        yield from (f"outcome={word}" for word in _OUTCOMES if name in {"sessions", "measurements"})
        yield from (f"{word}={value}" for word in _DUE.get(name, ()) for value in ("true", "false"))
        if name != "measurements":
            first, second = moments[0].as_of, moments[1].as_of
            yield from (f"since={first}", f"until={first}", f"since={first}&until={second}")


def _states(name: str) -> list[str]:
    found = [state for machine in _MACHINES[name] for state in MACHINES[machine].tables[0].states]
    return list(dict.fromkeys(str(state) for state in found))


def _past(path: str, clock: str, moments: Sequence[Moment]) -> list[str]:
    clocks = Moment._fields if clock == "both" else (clock,)
    return [path + "&".join(f"{one}={getattr(moment, one)}" for one in clocks) for moment in moments]


def _things(ask: Asking, moments: Sequence[Moment]) -> Iterator[Page]:
    for kind in STREAMS:
        newest = next(one for one in ask.get(f"/v1/{kind}?limit=100")["data"] if one["position"])
        yield from _of_one(kind, f"the newest of {kind}", newest["id"], [_moment(ask, newest["position"])])
        if kind == "measurements":
            yield Page("one thing", "/measurements, report", [f"/measurements/{newest['id']}/report"])
        if kind in _ALWAYS:
            (long,) = ask.get(f"/v1/{kind}?{kind[:-1]}_id={_ALWAYS[kind]}")["data"]
            yield from _of_one(kind, f"one of {kind} without an end", long["id"], moments, " of a long stream")


def _of_one(kind: str, name: str, thing: str, moments: Sequence[Moment], long: str = "") -> Iterator[Page]:
    path = f"/{kind}/{thing}"
    yield Page(f"one thing{long}", name, [path])
    for clock in CLOCKS:
        yield Page(f"one thing{long}, of the past", f"{name}, {clock}", _past(f"{path}?", clock, moments))


def _moments(ask: Asking) -> list[Moment]:
    """Those of events in all parts of the log, the oldest first."""
    head = int(ask.get("/v1/overview")["position"])
    return [_moment(ask, max(1, head * number // (MOMENTS + 1))) for number in range(1, MOMENTS + 1)]


def _moment(ask: Asking, position: int) -> Moment:
    event = ask.get(f"/v1/events/{position}")
    return Moment(str(event["recorded_at"]), str(event["occurred_at"] or event["received_at"]))
