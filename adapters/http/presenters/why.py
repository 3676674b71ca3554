"""`.../why`: the chain of events that explains a state, those that did not move it, and what it waits for."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from msgspec import UNSET

from adapters.http.framework.problems import BadRequest, NotFound
from adapters.http.framework.routes import Ask
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of
from adapters.http.presenters.due import told_deadline
from adapters.http.presenters.erasures import words
from adapters.http.presenters.stream_resource import machine_of, record_of, settings_of, state_of
from adapters.http.presenters.timelines import Timeline, may_be_told_in_parts, timeline_of_part, whole_timeline
from adapters.sql import Measured, Projected
from core.folding.fold import MACHINES
from core.views.timeline import Happened, TimelineEntry
from core.views.why import MOST, NEWEST, Why, examined_apart, moves_of, why, why_of_measurement, why_of_newest


class _Told(NamedTuple):
    """An event, and the timeline that describes it."""

    entry: Happened
    timeline: Timeline


def why_stream(ask: Ask[Any], row: Projected) -> shapes.Why:
    """Explains a stream's state. Raises NotFound, Gone."""
    state, machine, settings = state_of(row), MACHINES[row.machine], settings_of(ask.api, row.source)
    newest = _newest_of_long(ask, row, state) if may_be_told_in_parts(ask, row) else None
    if newest is None:
        timeline = _timeline(ask, row)
        found = why(machine, timeline.entries, state, settings, erased=_erased(timeline))
        erasure, tell = timeline.erasure, _teller(_present(timeline, state))
    else:
        found = why_of_newest(machine, [told.entry for told in newest], state, settings, state.moves.events)
        erasure, tell = None, _teller(newest)
    before = getattr(ask.query, "before", UNSET)
    if before is not UNSET:
        page, older = _page_before(ask, row, state, before)
        found.chain, found.unmoved = moves_of([told.entry for told in page], begins=older == 0)
        found.left_out, found.earlier = older, page[0].entry.position if older else None
        tell = _teller(page)
    whole = {"id": row.stream, "state": state.state, "regions": state.regions, "outcome": state.outcome}
    return _shape(ask, row, tell, found, run=state.run, erasure=erasure, **whole)


def _teller(some: Sequence[_Told]) -> Callable[[TimelineEntry], shapes.Step]:
    timelines = {told.entry.position: told.timeline for told in some}
    return lambda entry: timelines[entry.position].shape(entry)


def _page_before(ask: Ask[Any], row: Projected, state: Any, before: int) -> tuple[list[_Told], int]:
    """Events of the current run before `before`, and how many are older. Raises BadRequest if it is not in the run."""
    page = _page_of_long(ask, row, state, before) if may_be_told_in_parts(ask, row) else None
    return page or _cut(_present(_timeline(ask, row), state), before)


def _page_of_long(ask: Ask[Any], row: Projected, state: Any, before: int) -> tuple[list[_Told], int] | None:
    """The same from a part of a long stream; None if the part has too few events before `before`."""
    part = ask.api.parts.before(row, before, MOST, clocks_of(ask))
    if part is None:
        return None
    moves = part.part.state.moves
    older = moves.events if moves.run == state.run else 0
    found = timeline_of_part(ask.api, row, part)
    if found is None:
        return None
    page, in_part = _cut(_present(found, state), before)
    return None if older and len(page) < MOST else (page, in_part + older)


def _present(timeline: Timeline, state: Any) -> list[_Told]:
    return [_Told(one, timeline) for one in timeline.entries if isinstance(one, Happened) and one.run == state.run]


def _cut(present: Sequence[_Told], before: int) -> tuple[list[_Told], int]:
    index = next((index for index, told in enumerate(present) if told.entry.position == before), None)
    if index is None:
        raise BadRequest("before: expected the position of an event of the present run", parameter="before")
    start = max(0, index - MOST)
    return list(present[start:index]), start


def why_measurement(ask: Ask[Any], row: Measured) -> shapes.Why:
    """Explains a measurement's state from its own events."""
    state, record = state_of(row), record_of(row)
    timeline = _part(ask, row, record.position, record.last) or _timeline(ask, row)
    own = [one for one in timeline.entries if isinstance(one, Happened) and one.measurement == row.opened]
    current = state.measurement()
    going_on = record.outcome is None and current is not None and current.place == record.place
    settings, erased = settings_of(ask.api, row.source), _erased(timeline)
    found = why_of_measurement(MACHINES[row.machine], own, state, settings, record, goes_on=going_on, erased=erased)
    regions = state.regions if going_on else {}
    whole = {"id": row.measurement, "state": record.state, "regions": regions, "outcome": record.outcome}
    return _shape(ask, row, timeline.shape, found, run=record.run, erasure=timeline.erasure, **whole)


def _newest_of_long(ask: Ask[Any], row: Projected, state: Any) -> list[_Told] | None:
    """The examined events of a long stream's last run; None if they depend on all events before."""
    found = timeline_of_part(ask.api, row, ask.api.parts.newest(row, state.run, NEWEST, clocks_of(ask)))
    if found is None:
        return None
    newest = _present(found, state)[-NEWEST:]
    told = {one.entry.position for one in newest}
    apart = [_one_of_long(ask, row, at) for at in examined_apart(state) if at not in told]
    return None if None in apart else [*filter(None, apart), *newest]


def _one_of_long(ask: Ask[Any], row: Projected, position: int) -> _Told | None:
    found = _part(ask, row, position, position)
    entries = found.entries if found is not None else ()
    told = (_Told(one, found) for one in entries if isinstance(one, Happened) and one.position == position and found)
    return next(told, None)


def _part(ask: Ask[Any], row: Projected | Measured, first: int, last: int) -> Timeline | None:
    if not may_be_told_in_parts(ask, row):
        return None
    return timeline_of_part(ask.api, row, ask.api.parts.between(row, first, last, clocks_of(ask)))


def _timeline(ask: Ask[Any], row: Projected | Measured) -> Timeline:
    if row.source not in ask.api.sources:
        raise NotFound("the configuration no longer says how its source is read")
    return whole_timeline(ask.api, row, clocks_of(ask) or ask.api.as_of.clocks())


def _erased(timeline: Timeline) -> str | None:
    return None if timeline.erasure is None else words(timeline.erasure)


def _shape(
    ask: Ask[Any], row: Projected | Measured, tell: Callable[[TimelineEntry], shapes.Step], found: Why, **whole: Any
) -> shapes.Why:
    return shapes.Why(
        **whole,
        sentence=found.sentence,
        machine=machine_of(row),
        chain=[tell(one) for one in found.chain],
        unmoved=[tell(one) for one in found.unmoved],
        left_out=found.left_out,
        earlier=found.earlier,
        waits_for=[shapes.Awaited(one.trigger, one.to, one.when) for one in found.waits_for],
        stops=[shapes.Stop(one.run, one.words) for one in found.stops],
        derived={"deadline": told_deadline(found.deadline, ask.now)},
    )
