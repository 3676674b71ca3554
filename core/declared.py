"""A machine's declaration as plain data, kept with what it folded: a later build can tell which rows changed."""

import inspect
from typing import Any

from core.machines.state import Kind
from core.machines.table import On, Table

Declared = dict[str, dict[str, list[list[str | None]]]]
"""Region -> "state, trigger" -> the rows of that step, in order: [to, guard, marks, does, why]."""


def declared(kind: Kind) -> dict[str, Any]:
    """Name, fingerprint, revision and the steps of every region."""
    steps = {table.name: _steps(table) for table in kind.tables}
    return {"machine": kind.name, "fingerprint": kind.fingerprint, "revision": kind.revision, "steps": steps}


def step_key(state: str, trigger: str) -> str:
    """How a step is named among the steps of a region."""
    return f"{state}, {trigger}"


def _steps(table: Table) -> dict[str, list[list[str | None]]]:
    steps: dict[str, list[list[str | None]]] = {}
    for row in [*table.rows, *table.stray]:
        for source in row.sources:
            steps.setdefault(step_key(source.value, row.trigger), []).append(_row(row))
    return steps


def _row(row: On) -> list[str | None]:
    return [row.to.value if row.to else None, row.when and inspect.getsource(row.when), row.marks, row.does, row.why]
