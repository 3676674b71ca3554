"""A machine's declaration as JSON, from which any program can execute it, such as `verify.py`."""

import re
from typing import Any

from core.folding.fold import StateMachine
from core.machines import measurement
from core.ordering.order import OUTCOMES, RANKS
from core.ordering.runs import CLOCK_SLACK, UNLOADED
from core.states.records import BEGUN, CREATED, ENDS, GONE, OVER, RESULTS, STARTS
from core.views.declared import declared


def declaration(kind: StateMachine) -> dict[str, Any]:
    """The fingerprint, the regions with their steps, and the constants that decide the canonical order.

    `steps` maps "state, trigger" to rows, of which the first whose guard holds applies: (target state, name of the
    guard, anomaly, further effect, reason why nothing moves).
    """
    told = declared(kind)
    single = len(kind.tables) == 1
    regions = [
        {
            "name": "state" if single else table.name,
            "initial": table.initial,
            "triggers": table.triggers,
            "steps": {step: [_row(row) for row in rows] for step, rows in told["steps"][table.name].items()},
        }
        for table in kind.tables
    ]
    numbered: dict[str, Any] = {"outcomes": measurement.OUTCOMES, "preparing": sorted(measurement.PREPARING)}
    numbered |= {"denied": measurement.DENIED, "granted": measurement.GRANTED, "prepares": sorted(measurement.PREPARES)}
    numbered |= {"starts": STARTS, "created": CREATED, "results": RESULTS, "ends": sorted(ENDS), "over": sorted(OVER)}
    numbered |= {"begun": BEGUN, "gone": sorted(GONE)}
    numbered |= {"unloaded": UNLOADED, "clock_slack": CLOCK_SLACK}
    timed: dict[str, Any] = {"ranks": RANKS, "handlers": sorted(OUTCOMES)}
    rest = {"order": "number", **numbered} if kind.name == "measurement" else {"order": "time", **timed}
    return {"machine": kind.name, "fingerprint": kind.fingerprint, "regions": regions, **rest}


def _row(row: list[str | None]) -> list[str | None]:
    to, guard, *rest = row
    name = re.search(r"def (\w+)", guard) if guard else None
    return [to, name[1] if name else guard, *rest]
