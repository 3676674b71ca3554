"""Redacts a folded state when the stream's bodies are destroyed."""

from typing import Any

from core.event import Anomaly

OURS = frozenset({"late", "gap", "unexpected", "conflict", "overlap"})
"""Anomalies whose details contain only numbers, states and documented types. Others may quote a body."""

GONE = "what it said is erased"


def redact(state: Any) -> None:
    """Removes from a folded state, in place, every id, text and field that a provider sent.

    States, outcomes, runs, times, numbers and the kinds of anomalies remain.
    """
    state.user_id = None
    state.data = {}
    state.anomalies = _wordless(state.anomalies)
    for run in [*state.over, *state.runs]:
        run.reason = None
    for record in state.records():
        record.anomalies = _wordless(record.anomalies)
    state.unname()


def _wordless(anomalies: list[Anomaly]) -> list[Anomaly]:
    return [one if one.kind in OURS else Anomaly(one.kind, one.position, GONE) for one in anomalies]
