"""Why something is in its state: the chain of events, what did not move it, what it waits for and since when."""

from collections.abc import Callable
from typing import Any

from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of
from adapters.http.presenters.erasures import words
from adapters.http.presenters.stream_resource import machine_of, record_of, settings_of, state_of
from adapters.http.presenters.timelines import Timeline, may_be_told_in_parts, timeline_of_part, whole_timeline
from adapters.sql import Measured, Projected, StreamPart
from core.derived import Deadline
from core.event import Instant
from core.fold import MACHINES
from core.instants import utc
from core.timeline import Happened
from core.why import Why, explained, why


def why_stream(ask: Ask[Any], row: Projected) -> shapes.Why:
    """The explanation of a stream's state. Raises NotFound, Gone."""
    state, settings = state_of(row), settings_of(ask.api, row.source)
    timeline = _part(ask, row, lambda: ask.api.parts.run(row, state.run)) or _timeline(ask, row)
    found = why(MACHINES[row.machine], timeline.entries, state, settings, erased=_erased(timeline))
    whole = {"id": row.stream, "state": state.state, "regions": state.regions, "outcome": state.outcome}
    return _shape(ask, row, timeline, found, run=state.run, **whole)


def why_measurement(ask: Ask[Any], row: Measured) -> shapes.Why:
    """The explanation of a measurement's state: of its own events alone."""
    state, record = state_of(row), record_of(row)
    timeline = _part(ask, row, lambda: ask.api.parts.between(row, record.position, record.last)) or _timeline(ask, row)
    own = [one for one in timeline.entries if isinstance(one, Happened) and one.measurement == row.opened]
    current = state.measurement()
    going_on = record.outcome is None and current is not None and current.place == record.place
    settings = settings_of(ask.api, row.source)
    erased = _erased(timeline)
    found = explained(MACHINES[row.machine], own, state, settings, record, open_=going_on, erased=erased)
    regions = state.regions if going_on else {}
    whole = {"id": row.measurement, "state": record.state, "regions": regions, "outcome": record.outcome}
    return _shape(ask, row, timeline, found, run=record.run, **whole)


def _part(ask: Ask[Any], row: Projected | Measured, find: Callable[[], StreamPart | None]) -> Timeline | None:
    return timeline_of_part(ask.api, row, find()) if may_be_told_in_parts(ask, row) else None


def _timeline(ask: Ask[Any], row: Projected | Measured) -> Timeline:
    if row.source not in ask.api.sources:
        raise NotFound("the configuration no longer says how its source is read")
    return whole_timeline(ask.api, row, clocks_of(ask) or ask.api.as_of.clocks())


def _erased(timeline: Timeline) -> str | None:
    return None if timeline.erasure is None else words(timeline.erasure)


def _shape(ask: Ask[Any], row: Projected | Measured, timeline: Timeline, found: Why, **whole: Any) -> shapes.Why:
    return shapes.Why(
        **whole,
        sentence=found.sentence,
        machine=machine_of(row),
        chain=[timeline.shape(one) for one in found.chain],
        unmoved=[timeline.shape(one) for one in found.unmoved],
        left_out=found.left_out,
        waits_for=[shapes.Awaited(one.trigger, one.to, one.when) for one in found.waits_for],
        stops=[shapes.Stop(one.run, one.words) for one in found.stops],
        erasure=timeline.erasure,
        derived={"deadline": _due(found.deadline, ask.now) if found.deadline else None},
    )


def _due(due: Deadline, now: Instant) -> dict[str, Any]:
    times = {"since": utc(due.since), "at": utc(due.at)}
    return {"what": due.what, **times, "passed": due.passed(now), "overdue_s": due.overdue_s(now)}
