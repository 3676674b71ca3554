"""Draws `docs/machines.md` from the declarations: `python -m core.views.draw > docs/machines.md`."""

import sys
from collections.abc import Iterator

from core.folding.fold import MACHINES
from core.states.state import StateMachine
from core.states.table import On, Table, words_of

HEAD = """# The machines

Drawn from the declarations in `core/machines/` by `python -m core.views.draw`; a test holds this page against them.
`core/ordering/order.py` and `core/ordering/runs.py` tell the order in which events are folded.
"""

STRAY = "From every other state an event moves the region to where it says it is: anomaly `unexpected`."

TITLES = {
    "session": "session (augmentos, mentraos)",
    "registration": "registration (augmentos, mentraos)",
    "action": "action (amps)",
    "device": "device (amps)",
    "measurement": "measurement (wms)",
}


def page() -> str:
    """The whole page, Markdown with Mermaid diagrams."""
    return "\n".join([HEAD, *(part for kind in MACHINES.values() for part in _machine(kind))])


def _machine(kind: StateMachine) -> Iterator[str]:
    words = (sys.modules[kind.step.__module__].__doc__ or "").strip()
    yield f"## {TITLES[kind.name]}\n\n{words}\n"
    for table in kind.tables:
        if len(kind.tables) > 1:
            yield f"### region {table.name}\n"
        yield f"```mermaid\n{table.mermaid()}\n```\n"
        yield "| on | from | to | |\n|---|---|---|---|"
        yield from (_row(table, row) for row in table.rows)
        yield f"\n{STRAY}\n" if table.stray else ""


def _row(table: Table, row: On) -> str:
    to = row.to.value if row.to else "*stays*"
    words = [row.when and f"if {words_of(row.when)}", row.does, row.why, row.marks and f"anomaly `{row.marks}`"]
    return f"| {row.trigger} | {table.span(row)} | {to} | {'; '.join(word for word in words if word)} |"


if __name__ == "__main__":
    sys.stdout.write(page())
