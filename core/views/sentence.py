"""Explains a stream's state in one sentence: its cause, when it happened, the state before, and the result."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from core.event import SECOND, Instant
from core.folding.fold import StateMachine, in_region
from core.views.derived import Deadline
from core.views.timeline import Happened

_BEGINNINGS = {
    "WMS_LOADED": "the page was loaded",
    "MEASUREMENT_STARTED": "the measurement was started",
    "MEASUREMENT_CREATED": "the measurement was created",
    "session_request": "it was started",
    "session_recovery": "it was recovered",
    "acknowledged": "it was acknowledged",
    "scheduled": "it was scheduled",
}
_DAY, _HOUR, _MINUTE = 86_400 * SECOND, 3_600 * SECOND, 60 * SECOND
_MOST_AWAITED = 3


class Facts(NamedTuple):
    """The facts that a sentence states.

    `chain` holds the events that moved the stream, in order. `measured`: an event of a measurement came; `results`: its
    results came. `awaited` and `due` apply to a stream that continues. `stopped` says how a run of glasses ended,
    `decisive` set the outcome, `code` is an error's, `erased` says how the events before the chain were erased.
    """

    chain: Sequence[Happened]
    state: str
    outcome: str | None
    measured: bool = False
    results: bool = False
    awaited: Sequence[str] = ()
    due: Deadline | None = None
    stopped: str | None = None
    decisive: Happened | None = None
    code: str | int | None = None
    erased: str | None = None


def sentence(kind: StateMachine, facts: Facts) -> str:
    """`abandoned: PAGE_UNLOADED at 20:27:53 while scanning, 18 s after the page was loaded; no result had come.`

    Times are UTC. The sentence does not depend on the time of the query.
    """
    state, outcome = facts.state, facts.outcome
    head = state if outcome in {None, state} else f"{state}, outcome {outcome}"
    causes = [_cause(kind.tables[0].name, facts.chain, state)] if facts.chain or facts.erased is None else []
    return f"{head}: {'; '.join([*causes, *_rests(kind, facts)])}."


def _cause(region: str, chain: Sequence[Happened], state: str) -> str:
    """The last event that moved the region into the state, or else moved it at all."""
    moved = [one for one in chain if in_region(one.step.before, region) != in_region(one.step.after, region)] or list(
        chain
    )
    there = [one for one in moved if in_region(one.step.after, region) == state] or moved
    if not there:
        return "nothing came that moved it"
    cause, first = there[-1], chain[0]
    told = f"{cause.event.type} {_at(cause)} while {in_region(cause.step.before, region)}"
    began, ended = first.event.occurred_at, cause.event.occurred_at
    if cause is first or began is None or ended is None or ended < began:
        return told
    return f"{told}, {_duration(ended - began)} after {_BEGINNINGS.get(first.event.type, first.event.type)}"


def _rests(kind: StateMachine, facts: Facts) -> Iterator[str]:
    if facts.erased is not None:
        yield f"what {'came before' if facts.chain else 'brought it there'} was {facts.erased}"
        yield "states, outcomes, runs and times are left of it"
    if facts.decisive is not None and facts.outcome != facts.state:
        yield f"{facts.decisive.event.type} {_at(facts.decisive)} set the outcome"
    if facts.code is not None and "failed" in {facts.state, facts.outcome}:
        yield f"the error is {facts.code}"
    if kind.name == "measurement" and facts.outcome not in {None, "completed"} and facts.erased is None:
        yield _no_result(facts)
    if facts.stopped is not None and facts.state == "stopped":
        yield facts.stopped
    if facts.awaited:
        yield f"it waits for {_any_of(facts.awaited)}"
    if facts.due is not None:
        yield f"{facts.due.what.replace('_', ' ')} if nothing comes until {_clock(facts.due.at)}"


def _no_result(facts: Facts) -> str:
    if not facts.measured:
        return "no measurement had begun"
    return "no result of this measurement had come" if facts.results else "no result had come"


def _any_of(words: Sequence[str]) -> str:
    names = list(dict.fromkeys(words))
    if len(names) > _MOST_AWAITED:
        return f"{', '.join(names[:_MOST_AWAITED])} or others"
    return " or ".join(names)


def _at(one: Happened) -> str:
    at = one.event.occurred_at
    return f"(received at {_clock(one.event.received_at)})" if at is None else f"at {_clock(at)}"


def _clock(at: Instant) -> str:
    """The time of day, UTC."""
    seconds = at // SECOND % 86_400
    return f"{seconds // 3_600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def _duration(span: Instant) -> str:
    """The duration in its two largest units: `2 h 5 min`."""
    if span >= _DAY:
        return f"{span // _DAY} d {span % _DAY // _HOUR} h"
    if span >= _HOUR:
        return f"{span // _HOUR} h {span % _HOUR // _MINUTE} min"
    if span >= _MINUTE:
        return f"{span // _MINUTE} min {span % _MINUTE // SECOND} s"
    return f"{span / SECOND:.3g} s"
