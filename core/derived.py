"""What follows from a state only together with `now`: silence, age, what is overdue. Never stored."""

from collections.abc import Callable
from typing import Any

from core.event import SECOND, Instant
from core.machines.action import LIVE
from core.machines.registration import SILENT_AFTER
from core.machines.session import RUNNING
from core.machines.state import Settings, State

Derived = dict[str, Any]

LIVE_ACTIONS = frozenset(state.value for state in LIVE)
LIVE_SESSIONS = frozenset(state.value for state in RUNNING)


def derived(kind_name: str, state: State, now: Instant, settings: Settings) -> Derived:
    """What a machine derives. `kind_name` is the machine's; durations come in seconds, None where unknown."""
    return DERIVATIONS[kind_name](state, now, settings)


def _session(state: State, now: Instant, settings: Settings) -> Derived:
    live = state.state in LIVE_SESSIONS
    limit = settings.presumed_ended_after
    ended = live and limit is not None and state.last_at is not None and now - state.last_at > limit
    return {"presumed_ended": ended, "open_for_s": _open_for(state, now) if live else None}


def _measurement(state: State, now: Instant, _: Settings) -> Derived:
    live = bool(state.runs) and state.runs[-1].ended_by is None
    return {"open_for_s": _open_for(state, now) if live else None}


def _action(state: State, now: Instant, settings: Settings) -> Derived:
    live = state.state in LIVE_ACTIONS
    limit = settings.overdue_after
    overdue = live and limit is not None and state.first_at is not None and now - state.first_at > limit
    return {"overdue": overdue, "age_s": _since(state.first_at, now)}


def _registration(state: State, now: Instant, _: Settings) -> Derived:
    silent = state.last_at is not None and now - state.last_at > SILENT_AFTER
    return {"silent": silent, "silent_for_s": _since(state.last_at, now)}


def _device(state: State, now: Instant, _: Settings) -> Derived:
    return {"since_s": _since(state.last_at, now)}


def _open_for(state: State, now: Instant) -> float | None:
    """Since the last run began; unknown where a clock that is wrong says that this is still to come."""
    started = state.runs[-1].started_at if state.runs else None
    if started is not None and state.last_at is not None and started > max(state.last_at, now):
        return None
    return None if started is None else max(0.0, (now - started) / SECOND)


def _since(then: Instant | None, now: Instant) -> float | None:
    return None if then is None else (now - then) / SECOND


DERIVATIONS: dict[str, Callable[[State, Instant, Settings], Derived]] = {
    "session": _session,
    "measurement": _measurement,
    "action": _action,
    "registration": _registration,
    "device": _device,
}
