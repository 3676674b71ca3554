"""Why a stream is in its state: the events that brought it there, those that did not move it, what it waits for now."""

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Protocol

import msgspec

from core.derived import Deadline, deadline
from core.event import SECOND
from core.fold import Kind, Run, Settings, State
from core.machines.action import TERMINAL
from core.machines.records import GONE, RESULTS, TELLING
from core.machines.session import RESTART_WITHIN, STOPPED
from core.sentence import Facts, sentence
from core.timeline import Happened, TimelineEntry

MOST = 100
"""So many events of each kind are told, the newest ones."""

NEWEST = 200
"""So many events of a run are looked at, the newest ones; and the one that began it, and the last one that led on."""

ENDED: dict[str, frozenset[str]] = {
    "session": frozenset({STOPPED.value}),
    "measurement": GONE,
    "action": frozenset(state.value for state in TERMINAL),
    "registration": frozenset(),
    "device": frozenset(),
}
"""The states in which each machine waits for nothing: what may come all the same would be a surprise."""


class Explained(Protocol):
    """What has a state and an outcome: a stream, or a measurement in it."""

    @property
    def state(self) -> str: ...

    @property
    def outcome(self) -> str | None: ...


class Awaited(msgspec.Struct, frozen=True, gc=False):
    """An event that would move the machine on: to which state, and under which condition (in words) if any."""

    trigger: str
    to: str
    when: str | None


class Stop(msgspec.Struct, frozen=True, gc=False):
    """What can be known of the end of a run. `words` tell it."""

    run: int
    words: str


class Why(msgspec.Struct, gc=False):
    """`chain`: what moved the present run, in order; `unmoved`: what did not. `left_out`: so many others of the run.

    `sentence` says the most of it. `earlier`: from the event at this position on all are told; None: all of the run.
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
    kind: Kind, entries: Iterable[TimelineEntry], state: State, settings: Settings, *, erased: str | None = None
) -> Why:
    """The explanation of a stream's state; `entries` are those of its timeline. A new run starts from nothing.

    `erased` says how what was before them came to be gone.
    """
    present = [entry for entry in entries if isinstance(entry, Happened) and entry.run == state.run]
    apart = {state.moves.first, state.moves.last}
    events = [*(one for one in present[:-NEWEST] if one.position in apart), *present[-NEWEST:]]
    return why_of_newest(kind, events, state, settings, len(present), erased=erased)


def why_of_newest(
    kind: Kind, events: Sequence[Happened], state: State, settings: Settings, count: int, *, erased: str | None = None
) -> Why:
    """The same from the events that are looked at, of so many that the run has."""
    came = getattr(state, "came", 0)
    facts = Facts((), state.state, state.outcome, came > 0, came > 1, erased=erased)
    begins = len(events) == count or events[0].position == state.moves.first
    explained = _explained(kind, events, state, settings, facts, begins=begins)
    explained.left_out += count - len(events)
    explained.earlier = _earliest(explained, events[-NEWEST:]) if explained.left_out else None
    return explained


def _earliest(told: Why, newest: Sequence[Happened]) -> int | None:
    """The position of the first one behind which none is left out."""
    shown, earliest = {one.position for one in (*told.chain, *told.unmoved)}, None
    for one in reversed(newest):
        if one.position not in shown:
            break
        earliest = one.position
    return earliest


def why_of_measurement(
    kind: Kind,
    events: Sequence[Happened],
    state: State,
    settings: Settings,
    of: Explained,
    *,
    goes_on: bool,
    erased: str | None = None,
) -> Why:
    """The explanation of where its own events led a measurement. `goes_on`: the session is in it."""
    types = {event.event.type for event in events}
    measured, results = not types.isdisjoint(TELLING), RESULTS in types
    facts = Facts((), of.state, of.outcome, measured, results, erased=erased)
    return _explained(kind, events, state, settings, facts, open_=goes_on)


def _explained(
    kind: Kind,
    events: Sequence[Happened],
    state: State,
    settings: Settings,
    facts: Facts,
    *,
    begins: bool = True,
    open_: bool = True,
) -> Why:
    """What goes on (`open_`) waits for something, unless it has ended."""
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
        stopped=ends[-1].words if ends and ends[-1].run == state.run else None,
        code=state.data.get("error_code", state.data.get("code")),
    )
    return Why(sentence(kind, facts), *told, len(events) - len(told[0]) - len(told[1]), awaited, due, ends)


def moves_of(events: Sequence[Happened], *, begins: bool) -> tuple[list[Happened], list[Happened]]:
    """Those of a run's events that moved it, and the others.

    One that `begins` a run counts as a move, too, though the state may look the same.
    """
    moved = [event.step.before != event.step.after for event in events]
    if begins and events and events[0].step.rule is not None and events[0].run > 0:
        moved[0] = True
    chain = [event for event, did in zip(events, moved, strict=True) if did]
    return chain, [event for event, did in zip(events, moved, strict=True) if not did]


def waits_for(kind: Kind, current: str) -> list[Awaited]:
    """What would move the machine on from a state, as it is declared. Regions beside the first wait for nothing."""
    return [Awaited(*step) for step in dict.fromkeys(kind.tables[0].leaving(current))]


def stops(kind: Kind, state: State) -> list[Stop]:
    """How the runs of a session of glasses ended, as far as it can be known: these clouds always blame the user."""
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
