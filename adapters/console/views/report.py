"""The printable report of a measurement: result, steps, completeness and the signed checkpoint."""

from datetime import datetime
from typing import Any, NamedTuple

from flask import Blueprint, Response, render_template

from adapters.console import pictures
from adapters.console.asking import Asking, sent
from adapters.console.times import CLOCKS
from adapters.http import Problem


class StepTaken(NamedTuple):
    """A step, its time, and the seconds since the step before. None if a time is unknown."""

    name: str
    at: str | None
    after: float | None


def add(pages: Blueprint, ask: Asking) -> None:
    """Registers the page."""

    def measurement_report(id: str) -> str:  # noqa: A002 - as the API calls it
        asked = sent(ask.today)
        clocks = {name: asked[name] for name in CLOCKS if name in asked}
        found = ask.answer("measurement", clocks, id=id)
        part = {"limit": "100", "format": "json"}
        why, _ = ask.answer_or_why_not("measurement_why", clocks, id=id)
        timeline = ask.answer("measurement_timeline", {**clocks, **part}, id=id)
        since = ask.answer("measurement_timeline", part, id=id) if clocks else timeline
        return render_template(
            "console/report.html",
            thing=found,
            clocks=clocks,
            why=why,
            made=f"{ask.now():%Y-%m-%dT%H:%M:%SZ}",
            later=_events(since) - _events(timeline),
            at_least=since.next_cursor is not None,
            steps=steps_of(found.steps),
            entries=timeline.data,
            more=timeline.next_cursor is not None,
            signal=pictures.signal(found.snr),
            checkpoint=_signed(ask, "checkpoint"),
            key=_signed(ask, "audit_key"),
        )

    def shared(id: str) -> str:  # noqa: A002 - as the API calls it
        with ask.questions.sharing():
            return measurement_report(id)

    pages.add_url_rule("/measurements/<id>/report", "measurement_report", shared)


def steps_of(steps: dict[str, str | None]) -> list[StepTaken]:
    """The steps in their order, each with the time since the one before."""
    taken: list[StepTaken] = []
    before: datetime | None = None
    for name, text in steps.items():
        at = None if text is None else datetime.fromisoformat(text)
        after = (at - before).total_seconds() if at is not None and before is not None else None
        taken.append(StepTaken(name, text, after))
        before = at or before
    return taken


def _events(timeline: Any) -> int:
    return sum(one.entry != "gap" for one in timeline.data)


def _signed(ask: Asking, name: str) -> str | None:
    """The log's newest checkpoint, or its verifier key. None if the service does not sign checkpoints."""
    try:
        note: Response = ask.answer(name)
    except Problem:
        return None
    return note.get_data(as_text=True)
