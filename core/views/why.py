"""Explains a stream's state: the events that led to it, those that did not move it, and what it waits for."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Protocol

import msgspec

from core.event import SECOND
from core.folding.fold import Settings, State, StateMachine, in_region
from core.machines.action import TERMINAL
from core.machines.measurement import OUTCOMES
from core.machines.session import RESTART_WITHIN, STOPPED
from core.states.records import GONE, RESULTS, TELLING
from core.states.state import Run
from core.views.derived import Deadline, deadline
from core.views.sentence import Facts, sentence
from core.views.timeline import Happened, TimelineEntry

MOST = 100
"""The most events of each kind that an explanation lists, the newest ones."""

NEWEST = 200
"""The most events of a run that are examined: the newest ones, besides its first and the last one that led on."""

ENDED: dict[str, frozenset[str]] = {
    "session": frozenset({STOPPED.value}),
    "measurement": GONE,
    "action": frozenset(state.value for state in TERMINAL),
    "registration": frozenset(),
    "device": frozenset(),
}
"""The states in which each machine waits for nothing. Events that arrive all the same are unexpected."""


class Explained(Protocol):
    """A stream or a measurement: it has a state and an outcome."""

    @property
    def state(self) -> str: ...

    @property
    def outcome(self) -> str | None: ...


class Awaited(msgspec.Struct, frozen=True, gc=False):
    """An event that would move the machine: its destination, and its condition as words, if any."""

    trigger: str
    to: str
    when: str | None


class Stop(msgspec.Struct, frozen=True, gc=False):
    """What is known of a run's end, as `words`."""

    run: int
    words: str


class Why(msgspec.Struct, gc=False):
    """The explanation, summed up in `sentence`. `chain` lists the events that moved the current run, `unmoved` the
    others.

    `left_out` counts the run's events that are not listed. From the event at `earlier` on, all are listed; None: the
    whole run is.
    """

    sentence: str
    chain: list[Happened]
    unmoved: list[Happened]
    left_out: int
    waits_for: list[Awaited]
    deadline: Deadline | None
    stops: list[Stop]
    earlier: int | None = None


def why(
    kind: StateMachine, entries: Iterable[TimelineEntry], state: State, settings: Settings, *, erased: str | None = None
) -> Why:
    """Explains a stream's state from the `entries` of its timeline. Only the current run counts.

    `erased` says how the events before them were erased.
    """
    present = [entry for entry in entries if isinstance(entry, Happened) and entry.run == state.run]
    apart = examined_apart(state)
    events = [*(one for one in present[:-NEWEST] if one.position in apart), *present[-NEWEST:]]
    return why_of_newest(kind, events, state, settings, len(present), erased=erased)


def examined_apart(state: State) -> list[int]:
    """The positions of the current run's events that are examined however old they are, in canonical order."""
    return [position for position in dict.fromkeys((state.moves.first, state.moves.last)) if position]


def why_of_newest(
    kind: StateMachine,
    events: Sequence[Happened],
    state: State,
    settings: Settings,
    count: int,
    *,
    erased: str | None = None,
) -> Why:
    """The same from the examined events of a run, which has `count` events in all."""
    came = getattr(state, "came", 0)
    facts = Facts((), state.state, state.outcome, came > 0, came > 1, erased=erased)
    begins = len(events) == count or events[0].position == state.moves.first
    explained = _explained(kind, events, state, settings, facts, begins=begins)
    explained.left_out += count - len(events)
    explained.earlier = _earliest(explained, events[-NEWEST:]) if explained.left_out else None
    return explained


def _earliest(told: Why, newest: Sequence[Happened]) -> int | None:
    """The position from which on no event is left out."""
    shown, earliest = {one.position for one in (*told.chain, *told.unmoved)}, None
    for one in reversed(newest):
        if one.position not in shown:
            break
        earliest = one.position
    return earliest


def why_of_measurement(
    kind: StateMachine,
    events: Sequence[Happened],
    state: State,
    settings: Settings,
    of: Explained,
    *,
    goes_on: bool,
    erased: str | None = None,
) -> Why:
    """Explains a measurement's state from its own events. `goes_on`: it is the session's current measurement."""
    types = {event.event.type for event in events}
    measured, results = not types.isdisjoint(TELLING), RESULTS in types
    facts = Facts((), of.state, of.outcome, measured, results, erased=erased)
    return _explained(kind, events, state, settings, facts, open_=goes_on)


def _explained(
    kind: StateMachine,
    events: Sequence[Happened],
    state: State,
    settings: Settings,
    facts: Facts,
    *,
    begins: bool = True,
    open_: bool = True,
) -> Why:
    """Puts the explanation together. Only what continues (`open_`) and has not ended waits for something."""
    chain, unmoved = moves_of(events, begins=begins)
    told = (chain[-MOST:], unmoved[-MOST:])
    goes_on = open_ and state.state not in ENDED[kind.name]
    due = deadline(kind.name, state, settings) if goes_on else None
    awaited = waits_for(kind, state.state) if goes_on else []
    ends = stops(kind, state)
    facts = facts._replace(
        chain=chain,
        awaited=[one.trigger for one in awaited],
        due=due,
        decisive=decisive(kind, chain, facts.outcome),
        stopped=ends[-1].words if ends and ends[-1].run == state.run else None,
        code=state.data.get("error_code", state.data.get("code")),
    )
    return Why(sentence(kind, facts), *told, len(events) - len(told[0]) - len(told[1]), awaited, due, ends)


def moves_of(events: Sequence[Happened], *, begins: bool) -> tuple[list[Happened], list[Happened]]:
    """The events of a run that moved it, and the others. An event that `begins` a run counts as a move in any case."""
    moved = [event.step.before != event.step.after for event in events]
    if begins and events and events[0].step.rule is not None and events[0].run > 0:
        moved[0] = True
    chain = [event for event, did in zip(events, moved, strict=True) if did]
    return chain, [event for event, did in zip(events, moved, strict=True) if not did]


def decisive(kind: StateMachine, chain: Sequence[Happened], outcome: str | None) -> Happened | None:
    """The last event that led a measurement to a state of this outcome; None where none is known."""
    region = kind.tables[0].name
    for one in reversed(chain) if kind.name == "measurement" and outcome is not None else ():
        to = in_region(one.step.after, region)
        if OUTCOMES.get(to) == outcome and in_region(one.step.before, region) != to:
            return one
    return None


def waits_for(kind: StateMachine, current: str) -> list[Awaited]:
    """The events that would move the machine on from a state. Only the first region waits for events."""
    return [Awaited(*step) for step in dict.fromkeys(kind.tables[0].leaving(current))]


def stops(kind: StateMachine, state: State) -> list[Stop]:
    """How the runs of a glasses session ended, as far as that is known: these clouds always blame the user."""
    if kind.name != "session":
        return []
    ended = [(run, after) for run, after in zip_longest(state.runs, state.runs[1:]) if run.ended_by is not None]
    return [Stop(run.run, _cause(run, after)) for run, after in ended[-MOST:]]


def _cause(run: Run, after: Run | None) -> str:
    if run.ended_by == "superseded":
        return "no stop came: a new start took over (the cloud restarted, changed its region, or the stop was lost)"
    if run.ended_by == "failed":
        return "the app's server failed to take the session on; a new start followed"
    said = f"`{run.reason}`" if run.reason else "no reason"
    if run.restarted:
        return f"restart: start came {_gap(run, after)} s later; {said} does not mean the user"
    window = RESTART_WITHIN // SECOND
    if run.reason == "user_disabled":
        return f"no start is known within {window} s; {said} is what the cloud always says, whoever stopped it"
    return f"no start is known within {window} s; {said} is as sent"


def _gap(run: Run, after: Run | None) -> str:
    if after is None or after.started_at is None or run.ended_at is None:
        return "soon"
    return f"{(after.started_at - run.ended_at) / SECOND:g}"
