"""A machine's declaration as plain data, stored with its projections so that a later build can find the rows that
changed.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import msgspec

from core.folding.fold import Step
from core.states.state import StateMachine
from core.states.table import On, Table


def declared(kind: StateMachine) -> dict[str, Any]:
    """Name, fingerprint, revision, and by region and "state, trigger" the rows [to, guard, marks, does, why]."""
    steps = {table.name: _steps(table) for table in kind.tables}
    return {"machine": kind.name, "fingerprint": kind.fingerprint, "revision": kind.revision, "steps": steps}


def step_key(state: str, trigger: str) -> str:
    """The name of a step within its region."""
    return f"{state}, {trigger}"


class Cause(msgspec.Struct, frozen=True):
    """The first event on which two declarations differ, and its step's rows in the other one (`was`) and in this one
    (`now`).

    Both are None if the rows agree on every step. Then a guard's helper, an effect or the reading of a body differs.
    """

    position: int
    type: str
    was: str | None
    now: str | None


def cause(
    kind: StateMachine, steps: Sequence[Step], types: Mapping[int, str], before: Mapping[str, Any]
) -> Cause | None:
    """The first step whose rows differ in the declaration `before`. `types` maps positions to event types."""
    here, there = declared(kind)["steps"], before.get("steps", {})
    for step in steps:
        kind_of_event = types[step.position]
        table = kind.table_of(kind_of_event)
        if table is None:
            continue
        key = step_key(step.before.get(table.name) or step.before["state"], kind_of_event)
        was, now = there.get(table.name, {}).get(key), here[table.name].get(key)
        if was != now:
            return Cause(step.position, kind_of_event, _told(was), _told(now))
    return None


def _told(rows: list[list[str | None]] | None) -> str:
    """The rows as text: `-> active (unexpected), else nothing moves`."""
    return ", else ".join(_told_row(*row) for row in rows) if rows else "no row"


def _told_row(to: str | None, guard: str | None, marks: str | None, does: str | None, why: str | None) -> str:
    text = f"-> {to}" if to else f"nothing moves{f', {why}' if why else ''}"
    more = [word for word in ("guarded" if guard else None, marks, does) if word]
    return f"{text} ({', '.join(more)})" if more else text


def _steps(table: Table) -> dict[str, list[list[str | None]]]:
    steps: dict[str, list[list[str | None]]] = {}
    for row in [*table.rows, *table.stray]:
        for source in row.sources:
            steps.setdefault(step_key(source.value, row.trigger), []).append(_row(row))
    return steps


def _row(row: On) -> list[str | None]:
    return [row.to.value if row.to else None, row.when and _source(row.when), row.marks, row.does, row.why]


@cache
def _source(guard: Callable[..., bool]) -> str:
    return inspect.getsource(guard)
