"""Stepping `transitions` machines in memory: one for all objects, one for each, or one for each event that comes."""

from collections.abc import Iterable
from typing import Any

from transitions import Machine

from core.machines import measurement


class Visit:
    """An object whose `state` a machine moves."""

    state: str


def _transitions() -> list[Any]:
    """The rows of Hookfold's own table that move something: the same work for the same events."""
    rows = measurement.sequence.describe()["transitions"]
    return [[row["trigger"], row["from"], row["to"]] for row in rows if row["to"] and not row["when"]]


STATES, TRANSITIONS = measurement.sequence.states, _transitions()


def a_machine_each(histories: Iterable[list[str]]) -> list[str]:
    """The last state of each history of event types, with a machine for each object."""
    return [_stepped(_with_its_machine(Visit()), history) for history in histories]


def one_machine(histories: Iterable[list[str]]) -> list[str]:
    """The same with a machine that all objects share, which is the library's advice where there are many."""
    shared = _machine(None)
    return [_stepped(_added(shared, Visit()), history) for history in histories]


def a_machine_each_event(histories: Iterable[list[str]]) -> list[str]:
    """The same with a machine built around the stored state for each event: what a receiver by hand does a webhook."""
    return [_stored(history) for history in histories]


def _stored(history: list[str]) -> str:
    state: str = measurement.sequence.initial
    for name in history:
        visit = Visit()
        visit.state = state
        state = _stepped(_with_its_machine(visit), [name])
    return state


def _with_its_machine(visit: Visit) -> Visit:
    _machine(visit)
    return visit


def _added(shared: Machine, visit: Visit) -> Visit:
    shared.add_model(visit)
    return visit


def _machine(model: Visit | None) -> Machine:
    return Machine(
        model=model,
        states=STATES,
        transitions=TRANSITIONS,
        initial=getattr(model, "state", measurement.sequence.initial),
        ignore_invalid_triggers=True,
        auto_transitions=False,
    )


def _stepped(visit: Visit, history: list[str]) -> str:
    known: Any = visit
    for name in history:
        step = getattr(known, name, None)
        if step is not None:
            step()
    return visit.state
