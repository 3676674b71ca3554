"""An augmentos or mentraos session. Its id is permanent; the session starts and stops many times."""

from enum import Enum
from typing import Any

from core.event import SECOND, Event
from core.ordering.order import begin_by_time, by_time, follow_by_time, go_on_by_time
from core.states.state import Run, Settings, State, StateMachine
from core.states.table import On, Transition, declare

RESTART_WITHIN = 10 * SECOND
"""A start this soon after a stop is a restart by the cloud, not the user's doing."""


class Session(Enum):
    IDLE = "idle"
    ACTIVE = "active"
    RECOVERING = "recovering"
    FAILED = "failed"
    STOPPED = "stopped"


IDLE, ACTIVE, RECOVERING, FAILED, STOPPED = Session
RUNNING = [ACTIVE, RECOVERING]
NOT_RUNNING = [IDLE, STOPPED, FAILED]

# fmt: off
table = declare(name="session", states=Session, initial=IDLE, rows=[
    #  on                   from                          to
    On("session_request",   NOT_RUNNING,                  ACTIVE,     does="begins a run"),
    On("session_request",   RUNNING,                      ACTIVE,     does="supersedes the run"),
    On("session_recovery",  RUNNING,                      RECOVERING),
    On("session_recovery",  NOT_RUNNING,                  RECOVERING, does="begins a run", marks="unexpected"),
    On("stop_request",      [ACTIVE, RECOVERING, FAILED], STOPPED,    does="ends the run"),
    On("stop_request",      [IDLE, STOPPED],              STOPPED,    marks="unexpected"),
    On("handler_succeeded", [ACTIVE, RECOVERING, FAILED], ACTIVE),
    On("handler_succeeded", [IDLE, STOPPED],              None,       why="an answer to a stop starts nothing"),
    On("handler_failed",    RUNNING,                      FAILED),
    On("handler_failed",    NOT_RUNNING,                  None,       why="nothing runs that could fail"),
])
# fmt: on

KEPT = frozenset({"websocket_url", "mentraos_websocket_url", "augmentos_websocket_url", "reason"})


class SessionState(State, kw_only=True, omit_defaults=True, gc=False):
    """`data`: package, websocket_url, mentraos_websocket_url, augmentos_websocket_url, reason."""

    state: str = "idle"


def step(state: SessionState, event: Event, settings: Settings) -> Transition:
    """Folds one event whose type is known."""
    arm = state.take(table, event)
    if arm.does is not None:
        EFFECTS[arm.does](state, event)
    state.keep(KEPT, event)
    if "package" not in state.data:
        _learn_package(state, event, settings)
    return arm


def _end(state: SessionState, event: Event) -> None:
    reason = event.data.get("reason")
    _close(state.runs[-1], event, event.type, reason if isinstance(reason, str) else None)


def _begin(state: SessionState, event: Event) -> None:
    last = state.runs[-1] if state.runs else None
    if last and last.ended_by is None:
        _close(last, event, "failed", None)
    elif last and event.type == "session_request":
        last.restarted = _soon(last, event)
    state.begin(event.occurred_at)


def _supersede(state: SessionState, event: Event) -> None:
    _close(state.runs[-1], event, "superseded", None)
    _begin(state, event)


def _close(run: Run, event: Event, by: str, reason: str | None) -> None:
    run.ended_at, run.ended_by, run.reason = event.occurred_at, by, reason


def _soon(last: Run, event: Event) -> bool:
    if last.ended_by != "stop_request" or last.ended_at is None or event.occurred_at is None:
        return False
    return event.occurred_at - last.ended_at <= RESTART_WITHIN


EFFECTS = {"begins a run": _begin, "supersedes the run": _supersede, "ends the run": _end}


def package_in(data: dict[str, Any]) -> str | None:
    """The package in a session's id, after `user_id + "-"`; None if the id has another form."""
    session_id, user_id = data.get("session_id"), data.get("user_id")
    if not isinstance(session_id, str) or not isinstance(user_id, str):
        return None
    return session_id[len(user_id) + 1 :] if session_id.startswith(f"{user_id}-") else None


def _learn_package(state: SessionState, event: Event, settings: Settings) -> None:
    package = package_in(event.data)
    if package is None:
        return
    state.data["package"] = package
    if settings.package_name not in (None, package):
        state.mark("wrong_package", event, f"the session's id names {package}, configured is {settings.package_name}")


session = StateMachine(
    "session", (table,), SessionState, by_time, begin_by_time, follow_by_time, go_on_by_time, step, revision=3
)
