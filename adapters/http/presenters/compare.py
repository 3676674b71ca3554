"""`.../compare`: what changed in our knowledge between two times, and which events changed it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.problems import BadRequest, Gone
from adapters.http.framework.routes import Ask
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import given, known, unless_erased
from adapters.http.presenters.stream_resource import our_id, runs_of, settings_of, state_of
from adapters.sql import Arrival, Measured, Projected
from core.clocks import Clocks
from core.folding import prefixes
from core.folding.fold import MACHINES
from core.instants import text_of, utc
from core.views.knowledge_changes import (
    FactChange,
    FactsOf,
    KnowledgeChange,
    KnownBefore,
    changes,
    changes_behind,
    knowledge_changes,
)

Found = tuple[Projected | Measured, msgspec.Struct]
"""The row of a resource at some times, and the resource as returned."""

At = Callable[[Clocks], Found | None]
"""The resource at these times; None if nothing of it was known. Raises Erased."""

_ARRIVAL = {"events", "position", "derived"}
"""Fields that change with every event or with time."""


def compare_stream(ask: Ask[queries.Compare], kind: str, shape: Callable[..., msgspec.Struct]) -> shapes.Compared:
    """The comparison of a stream. Raises BadRequest, NotFound, Gone."""
    api, name = ask.api, our_id(kind, ask.path["id"])

    def at(clocks: Clocks) -> Found | None:
        row = api.as_of.stream(name, clocks)
        return None if row is None else (row, shape(api, row, ask.now))

    return compared(ask, kind, at, _facts_of_state)


def compared(ask: Ask[queries.Compare], kind: str, at: At, facts_of: FactsOf) -> shapes.Compared:
    """The comparison of one resource. Raises BadRequest, NotFound, Gone."""
    before, after = _both(ask)
    row, now = known(kind, lambda: at(after))
    then = unless_erased(kind, lambda: at(before))
    asked = _Asked(ask.api, kind, row, before, after, facts_of, ask.query.limit)
    earlier, arrivals = _of_long(asked) or _of_whole(asked)
    state = state_of(row)
    return shapes.Compared(
        id=ask.path["id"],
        from_position=before.position,
        to_position=after.position,
        as_of=text_of(before.as_of),
        before=then and then[1],
        after=now,
        changed=_told(changes(_fields(then and then[1]), _fields(now))),
        came=state.events - earlier.events,
        late=state.counts.get("late", 0) - earlier.late,
        learnt=[_shape(one, arrivals) for one in earlier.lessons],
    )


class _Asked(NamedTuple):
    api: Api
    kind: str
    row: Projected | Measured
    before: Clocks
    after: Clocks
    facts_of: FactsOf
    limit: int


def _of_long(asked: _Asked) -> tuple[KnownBefore, dict[int, Arrival]] | None:
    """What was known earlier and what changed it, from a prefix of a long stream; None if that is not possible."""
    api, row = asked.api, asked.row
    if row.source not in api.sources or state_of(row).events <= prefixes.LONG:
        return None
    found = api.as_of.since(row, asked.before, asked.after, asked.limit)
    if found is None:
        return None
    machine, settings = MACHINES[row.machine], settings_of(api, row.source)
    earlier = changes_behind(machine, found.part, asked.before.position, settings, asked.facts_of, asked.limit)
    return None if earlier is None else (earlier, _by_position(found.arrivals))


def _of_whole(asked: _Asked) -> tuple[KnownBefore, dict[int, Arrival]]:
    """The same from all events. Raises NotFound, Gone."""
    api, row = asked.api, asked.row
    history = known(asked.kind, lambda: api.as_of.history(row.stream, asked.after))
    if history.named.erased is not None:
        raise Gone(f"the {asked.kind} was erased: what was learnt of it cannot be told any more")
    arrivals = _by_position([one for one in history.arrivals if one.foldable])
    events, settings = [one.event for one in arrivals.values()], settings_of(api, row.source)
    machine, position = MACHINES[row.machine], asked.before.position
    return knowledge_changes(machine, events, position, settings, asked.facts_of, asked.limit), arrivals


def _by_position(arrivals: Sequence[Arrival]) -> dict[int, Arrival]:
    return {one.event.position: one for one in arrivals}


def facts_of_record(record: Any) -> dict[str, Any]:
    """The compared facts of a measurement; none before it exists."""
    if record is None:
        return {}
    names = ("measurement_id", "run", "state", "outcome", "complete")
    steps = {name: text_of(at) for name, at in record.steps.items()}
    return {name: getattr(record, name) for name in names} | {"steps": steps, "chunks": record.chunks}


def _facts_of_state(state: Any) -> dict[str, Any]:
    names = ("state", "outcome", "run", "user_id")
    found = {name: getattr(state, name) for name in names} | {"regions": dict(state.regions), "data": dict(state.data)}
    anomalies = [f"{one.kind} at {one.position}: {one.detail}" for one in state.anomalies]
    scans = [facts_of_record(one) for one in state.records()]
    return found | {"runs": runs_of([*state.over, *state.runs]), "anomalies": anomalies, "measurements": scans}


def _both(ask: Ask[queries.Compare]) -> tuple[Clocks, Clocks]:
    query, past = ask.query, ask.api.as_of
    earlier = (given(query.known_at), given(query.known_at_position))
    if earlier == (None, None):
        raise BadRequest("known_at: the earlier time is missing; or send known_at_position", parameter="known_at")
    as_of = given(query.as_of)
    before = past.clocks(as_of=as_of, known_at=earlier[0], position=earlier[1])
    after = past.clocks(as_of=as_of, known_at=given(query.with_), position=given(query.with_position))
    if after.position < before.position:
        raise BadRequest("with: earlier than known_at", parameter="with")
    return before, after


def _fields(shown: msgspec.Struct | None) -> dict[str, Any]:
    """The returned fields without those that every event changes."""
    plain: dict[str, Any] = {} if shown is None else msgspec.to_builtins(shown)
    return {name: value for name, value in plain.items() if name not in _ARRIVAL}


def _shape(lesson: KnowledgeChange, arrivals: dict[int, Arrival]) -> shapes.Learnt:
    event = lesson.event
    return shapes.Learnt(
        position=event.position,
        type=event.type,
        sequence=event.sequence,
        occurred_at=text_of(event.occurred_at),
        recorded_at=utc(arrivals[event.position].recorded_at),
        late=lesson.late,
        changed=_told(lesson.changed),
    )


def _told(changed: dict[str, FactChange]) -> dict[str, shapes.Changed]:
    return {field: shapes.Changed(change.before, change.after) for field, change in changed.items()}
