"""Describes in sentences how a state has changed since a past time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from adapters.console.numbers import counted, number

_OFTEN = frozenset({"first_at", "last_at", "machine", "missing", "missing_older", "snr"})
"""Fields that are left out: almost every event changes them, or another field covers them."""


def describe_changes(compared: Any) -> str:
    """Formats the response of a `…/compare` as one line: `2 events, 1 of them late, …; the state became failed.`"""
    changed = {name: (one.before, one.after) for name, one in compared.changed.items()}
    if changed.keys() >= {"state", "regions"}:
        changed["regions"] = _beside(*changed["regions"], *changed["state"])
    told = [_events(compared.came, compared.late)]
    for field, tell in _TOLD.items():
        told += tell(*changed.pop(field)) if field in changed else ()
    rest = sorted(name.replace("_", " ") for name in changed.keys() - _OFTEN)
    told += [f"changed as well: {', '.join(rest)}"] if rest else []
    return f"{'; '.join(told)}."


def _events(came: int, late: int) -> str:
    if late <= 0:
        return counted(came, "event")
    whole = "1 event, late" if came == late == 1 else f"{counted(came, 'event')}, {number(late)} of them late"
    return f"{whole}, which changed what was known about the past"


def _beside(before: Mapping[str, str] | None, after: Mapping[str, str] | None, was: str, state: str) -> tuple[Any, Any]:
    """The regions before and after, each without the region that gives the state."""
    return (
        {name: value for name, value in (before or {}).items() if value != was},
        {name: value for name, value in (after or {}).items() if value != state},
    )


def _of(name: str) -> Callable[[Any, Any], Iterator[str]]:
    def tell(before: Any, after: Any) -> Iterator[str]:
        if after is None:
            yield f"the {name} is no longer {before}"
        else:
            yield f"the {name} became {after}" + (f" (it was {before})" if before else "")

    return tell


def _regions(before: Mapping[str, str] | None, after: Mapping[str, str] | None) -> Iterator[str]:
    was, now = before or {}, after or {}
    for name in [one for one in now if was.get(one) != now[one]]:
        yield f"the region {name} " + (
            f"went from {was[name]} to {now[name]}" if name in was else f"began: {now[name]}"
        )


def _runs(before: int | None, after: int | None) -> Iterator[str]:
    more = (after or 0) - (before or 0)
    if more:
        yield f"{counted(abs(more), 'run')} {'began' if more > 0 else 'turned out to be no run of its own'}"


def _anomalies(before: Mapping[str, int] | None, after: Mapping[str, int] | None) -> Iterator[str]:
    was, now = before or {}, after or {}
    if came := [_times(kind, now[kind] - was.get(kind, 0)) for kind in now if now[kind] > was.get(kind, 0)]:
        yield f"new anomalies: {', '.join(came)}"
    if gone := [_times(kind, was[kind] - now.get(kind, 0)) for kind in was if was[kind] > now.get(kind, 0)]:
        yield f"anomalies that are gone: {', '.join(gone)}"


def _times(kind: str, times: int) -> str:
    return kind if times == 1 else f"{kind} ×{number(times)}"


def _complete(_: bool | None, after: bool | None) -> Iterator[str]:
    yield "it is complete now" if after else "it is no longer complete"


def _chunks(before: int | None, after: int | None) -> Iterator[str]:
    yield f"{counted(after or 0, 'chunk')} instead of {number(before or 0)}"


def _silent(_: Any, __: Any) -> tuple[()]:
    return ()


_TOLD: dict[str, Callable[[Any, Any], Iterable[str]]] = {
    "state": _of("state"),
    "outcome": _of("outcome"),
    "regions": _regions,
    "run_count": _runs,
    "run": _silent,
    "runs": _silent,
    "snr_count": _chunks,
    "complete": _complete,
    "anomaly_counts": _anomalies,
    "anomalies": _silent,
}
"""The formatter of each field, in the order of the sentence."""
