"""The lists, with the API's filters in their addresses."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, g, render_template, request

from adapters.console.asking import Asking, sent
from adapters.console.times import CLOCKS, faults_of
from adapters.http import Ending, VisitStep
from core.event import ANOMALIES, READINGS
from core.folding.fold import MACHINES

TIMES = ("since", "until", "as_of", "known_at")
FOLDED = ("source", "provider", "state", "anomaly")
FIELDS: dict[str, Sequence[str]] = {
    "sessions": (
        *("source", "provider", "state", "outcome", "last_step", "ended_by", "anomaly"),
        *("overdue", "presumed_ended", *TIMES),
    ),
    "measurements": ("source", "provider", "state", "outcome", "anomaly", "as_of", "known_at"),
    "actions": (*FOLDED, "overdue", *TIMES),
    "devices": (*FOLDED, *TIMES),
    "registrations": (*FOLDED, "silent", *TIMES),
    "deliveries": ("source", "verdict", "reason", "position"),
    "events": ("source", "type", "reading", "after"),
}
"""The filters that a form offers. Others of the API may stand in an address, or in a cursor; ids are searched for."""

_MACHINES = {
    "sessions": ("session", "measurement"),
    "measurements": ("measurement",),
    "actions": ("action",),
    "devices": ("device",),
    "registrations": ("registration",),
}
_OUTCOMES = ("completed", "canceled", "denied", "failed", "abandoned")
_VERDICTS = ("new", "duplicate", "conflict", "rejected")
_EITHER = ("true", "false")


def add(pages: Blueprint, ask: Asking) -> None:
    """Adds a page for each list."""

    def page_of(name: str) -> None:
        def listed() -> tuple[str, int]:
            asked = sent(ask.today)
            faults = faults_of(asked, ask.now())
            told = None if faults else ask.told(name, asked)
            asked = {key: value for key, value in (told.parameters if told else asked).items() if key != "limit"}
            page = render_template(
                f"console/{name}.html",
                name=name,
                rows=told.answer.data if told else (),
                following=told and told.answer.next_cursor,
                first="cursor" not in request.args,
                fields=FIELDS[name],
                choices=_choices(ask, name),
                times=TIMES,
                faults=faults,
                head=ask.questions.head() if name == "events" else None,
                asked=asked,
                clocks={clock: asked[clock] for clock in CLOCKS if clock in asked},
            )
            return page, 400 if faults else 200

        pages.add_url_rule(f"/{name}", name, listed)

    for name in FIELDS:
        page_of(name)


def _choices(ask: Asking, name: str) -> dict[str, Sequence[Any]]:
    sources = ask.questions.sources(g.get("token"))
    states = [state for machine in _MACHINES.get(name, ()) for state in MACHINES[machine].tables[0].states]
    return {
        "source": sorted(sources),
        "provider": sorted(set(sources.values())),
        "state": list(dict.fromkeys(states)),
        "outcome": _OUTCOMES,
        "last_step": VisitStep.choices,
        "ended_by": Ending.choices,
        "anomaly": ANOMALIES,
        "verdict": _VERDICTS,
        "reading": READINGS,
        **dict.fromkeys(("overdue", "presumed_ended", "silent"), _EITHER),
    }
