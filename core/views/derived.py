"""Values derived from a state and `now`: deadlines and ages. None of them is stored.

Each machine has at most one deadline; `overdue`, `presumed_ended` and `silent` say that it has passed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import msgspec

from core.event import LAST, SECOND, Instant
from core.machines.action import LIVE
from core.machines.measurement import EXPECTED_WITHIN
from core.machines.registration import SILENT_AFTER, Registration
from core.machines.session import RUNNING
from core.states.state import Settings, State

Derived = dict[str, Any]

LIVE_ACTIONS = frozenset(state.value for state in LIVE)
LIVE_SESSIONS = frozenset(state.value for state in RUNNING)
REGISTRATIONS = frozenset(state.value for state in Registration)

MAY_BE_DUE = LIVE_ACTIONS | LIVE_SESSIONS | REGISTRATIONS | EXPECTED_WITHIN.keys()
"""Every state that can have a deadline."""


def kind_of(machine: str) -> str:
    """The kind of stream that a machine folds. The measurement machine folds sessions."""
    return "session" if machine == "measurement" else machine


class Deadline(msgspec.Struct, frozen=True, gc=False):
    """`what` a stream becomes if no event arrives between `since` and `at`: overdue, presumed_ended or silent."""

    what: str
    since: Instant
    at: Instant

    def passed(self, now: Instant) -> bool:
        return now > self.at

    def overdue_s(self, now: Instant) -> float:
        """Seconds since the deadline; negative before it."""
        return (now - self.at) / SECOND


def deadline(machine: str, state: State, settings: Settings) -> Deadline | None:
    """The machine's deadline in this state; None if it has none, or if it lies after LAST."""
    what, clock, states = rule(machine, settings)
    since, within = getattr(state, clock), states.get(state.state)
    return None if since is None or within is None or since + within > LAST else Deadline(what, since, since + within)


def derived(machine: str, state: State, now: Instant, settings: Settings) -> Derived:
    """The machine's derived values. Durations are in seconds, None if unknown."""
    due = deadline(machine, state, settings)
    return _DERIVATIONS[machine](state, now, due is not None and due.passed(now))


class Rule(NamedTuple):
    """`what` an overdue stream is called, the clock that silence is counted from, and the longest silence in each
    state.
    """

    what: str
    clock: Literal["first_at", "last_at"]
    within: Mapping[str, Instant]


def rule(machine: str, settings: Settings) -> Rule:
    """The deadline rule of a machine under its source's settings."""
    return _RULES[machine](settings)


def _in_each(states: Iterable[str], within: Instant | None) -> dict[str, Instant]:
    return {} if within is None else dict.fromkeys(states, within)


_RULES: dict[str, Callable[[Settings], Rule]] = {
    "session": lambda given: Rule("presumed_ended", "last_at", _in_each(LIVE_SESSIONS, given.presumed_ended_after)),
    "measurement": lambda _: Rule("overdue", "last_at", EXPECTED_WITHIN),
    "action": lambda given: Rule("overdue", "first_at", _in_each(LIVE_ACTIONS, given.overdue_after)),
    "registration": lambda _: Rule("silent", "last_at", _in_each(REGISTRATIONS, SILENT_AFTER)),
    "device": lambda _: Rule("silent", "last_at", {}),
}


def _session(state: State, now: Instant, due: bool) -> Derived:
    return {"presumed_ended": due, "open_for_s": _open_for(state, now) if state.state in LIVE_SESSIONS else None}


def _measurement(state: State, now: Instant, _: bool) -> Derived:
    live = bool(state.runs) and state.runs[-1].ended_by is None
    return {"open_for_s": _open_for(state, now) if live else None}


_DERIVATIONS: dict[str, Callable[[State, Instant, bool], Derived]] = {
    "session": _session,
    "measurement": _measurement,
    "action": lambda state, now, due: {"overdue": due, "age_s": _since(state.first_at, now)},
    "registration": lambda state, now, due: {"silent": due, "silent_for_s": _since(state.last_at, now)},
    "device": lambda state, now, _: {"since_s": _since(state.last_at, now)},
}


def _open_for(state: State, now: Instant) -> float | None:
    """Seconds since the last run began; None if its start lies in the future, because a clock was wrong."""
    started = state.runs[-1].started_at if state.runs else None
    if started is not None and state.last_at is not None and started > max(state.last_at, now):
        return None
    return None if started is None else max(0.0, (now - started) / SECOND)


def _since(then: Instant | None, now: Instant) -> float | None:
    return None if then is None else (now - then) / SECOND
