"""`/`: what is going on."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, render_template

from adapters.console.asking import Asking
from adapters.console.views.replays import may_act

PLACES = {
    "session": "sessions",
    "measurement": "measurements",
    "action": "actions",
    "device": "devices",
    "registration": "registrations",
}
"""The list of each kind."""

ENDED = {
    "PAGE_UNLOADED": "abandoned the page",
    "CAMERA_PERMISSION_DENIED": "denied the camera",
    "MEASUREMENT_CANCELED": "canceled",
    "LOW_SNR": "signal too weak",
    "CONSTRAINT_VIOLATION": "constraint violated",
    "GENERAL_ERROR": "error in the page",
    "API_ERROR": "error of the API",
    None: "not over",
}
"""What ended a visit in words."""


def add(pages: Blueprint, ask: Asking, first: Callable[[], list[str]]) -> None:
    """Adds the page. `first`: the commands that make the first webhook appear."""

    def overview() -> str:
        now = f"{ask.now():%Y-%m-%dT%H:%M:%S.%fZ}"
        found = ask.answer("overview", {"now": now})
        refused = ask.answer("rejection_summary").data
        relayed = ask.answer("relay_summary").data
        return render_template(
            "console/overview.html",
            overview=found,
            until=now,
            states=_by_kind(found.counts),
            outcomes=_outcomes(found.derived.counts),
            refused=refused,
            relayed=relayed,
            dead=sum(one.dead for one in relayed),
            misread=sum(one.count for one in found.misread),
            refusals=sum(one.count for one in refused),
            rejected=_by_source(refused),
            anomalies=sum(one.count for one in found.anomalies),
            silent=sum(bool(one.derived["silent"]) for one in found.derived.sources),
            places=PLACES,
            ended=ENDED,
            first=first() if found.position == 0 and may_act() else [],
        )

    pages.add_url_rule("/", "overview", overview)


def _by_source(counts: Sequence[Any]) -> Counter[str]:
    found = Counter[str]()
    for one in counts:
        found[one.source] += one.count
    return found


def _by_kind(counts: Sequence[Any]) -> dict[str, list[tuple[str, str, int]]]:
    """Source, state and number by kind; outcomes are told apart elsewhere."""
    summed: dict[str, Counter[tuple[str, str]]] = {}
    for one in counts:
        summed.setdefault(one.kind, Counter())[one.source, one.state] += one.count
    return {kind: [(*key, number) for key, number in sorted(found.items())] for kind, found in summed.items()}


def _outcomes(counts: Sequence[Any]) -> list[tuple[str, str, str, int]]:
    """Kind, source, outcome and number, whatever the state behind it."""
    summed = Counter[tuple[str, str, str]]()
    for one in counts:
        if one.outcome is not None:
            summed[one.kind, one.source, one.outcome] += one.count
    return [(*key, number) for key, number in sorted(summed.items())]
