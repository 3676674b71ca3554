"""`/`: what is going on."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from flask import Blueprint, g, render_template

from adapters.config import Scope
from adapters.console.asking import Asking

PLACES = {
    "session": "sessions",
    "measurement": "measurements",
    "action": "actions",
    "device": "devices",
    "registration": "registrations",
}
"""The list of each kind."""


def add(pages: Blueprint, ask: Asking, first: Callable[[], list[str]]) -> None:
    """Adds the page. `first`: the commands that make the first webhook appear."""

    def overview() -> str:
        found = ask.answer("overview")
        return render_template(
            "console/overview.html",
            overview=found,
            states=_by_kind(found.counts),
            outcomes=_outcomes(found.derived.counts),
            refused=ask.answer("rejection_summary").data,
            places=PLACES,
            first=first() if found.position == 0 and _may_send() else [],
        )

    pages.add_url_rule("/", "overview", overview)


def _may_send() -> bool:
    """A signed command tells of a webhook what only its sender could say: a token that only reads is not shown one."""
    token = g.get("token")
    return token is None or Scope.ACT in token.scopes


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
