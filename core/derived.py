"""What follows from a state only together with `now`: deadlines and ages. Nothing here is stored.

Each machine has at most one deadline; `overdue`, `presumed_ended` and `silent` say that it has passed.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from core.event import LAST, SECOND, Instant
from core.machines.action import LIVE
from core.machines.measurement import EXPECTED_WITHIN
from core.machines.registration import SILENT_AFTER
from core.machines.session import RUNNING
from core.machines.state import Settings, State

Derived = dict[str, Any]

LIVE_ACTIONS = frozenset(state.value for state in LIVE)
LIVE_SESSIONS = frozenset(state.value for state in RUNNING)


class Deadline(msgspec.Struct, frozen=True, gc=False):
    """`what` a stream is if nothing comes between `since` and `at`: overdue, presumed_ended or silent."""

    what: str
    since: Instant
    at: Instant

    def passed(self, now: Instant) -> bool:
        return now > self.at

    def overdue_s(self, now: Instant) -> float:
        """Seconds since it passed; negative before that."""
        return (now - self.at) / SECOND


def deadline(machine: str, state: State, settings: Settings) -> Deadline | None:
    """The machine's deadline in this state; None if it has none, or one after the last instant that can be told."""
    what, since, within = _DEADLINES[machine](state, settings)
    return None if since is None or within is None or since + within > LAST else Deadline(what, since, since + within)


def derived(machine: str, state: State, now: Instant, settings: Settings) -> Derived:
    """What the machine derives. Durations are in seconds, None if unknown."""
    due = deadline(machine, state, settings)
    return _DERIVATIONS[machine](state, now, due is not None and due.passed(now))


Due = tuple[str, Instant | None, Instant | None]
"""What the stream is once it is due, since when it is silent, and how long it may be."""


def _session_due(state: State, settings: Settings) -> Due:
    return "presumed_ended", state.last_at, settings.presumed_ended_after if state.state in LIVE_SESSIONS else None


def _action_due(state: State, settings: Settings) -> Due:
    return "overdue", state.first_at, settings.overdue_after if state.state in LIVE_ACTIONS else None


_DEADLINES: dict[str, Callable[[State, Settings], Due]] = {
    "session": _session_due,
    "measurement": lambda state, _: ("overdue", state.last_at, EXPECTED_WITHIN.get(state.state)),
    "action": _action_due,
    "registration": lambda state, _: ("silent", state.last_at, SILENT_AFTER),
    "device": lambda _, __: ("silent", None, None),
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
    """Since the last run began; unknown where a clock that is wrong says that this is still to come."""
    started = state.runs[-1].started_at if state.runs else None
    if started is not None and state.last_at is not None and started > max(state.last_at, now):
        return None
    return None if started is None else max(0.0, (now - started) / SECOND)


def _since(then: Instant | None, now: Instant) -> float | None:
    return None if then is None else (now - then) / SECOND
