"""Tables and timelines for people."""

from collections.abc import Iterable, Sequence
from typing import Any

WIDEST = 46
"""Characters of a cell; what is longer is cut."""


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns as wide as their longest cell, indented by two."""
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    return "\n".join("  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in cells)


def _cell(value: object) -> str:
    text = "-" if value is None else str(value)
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def kinds(anomalies: Iterable[dict[str, Any]]) -> str:
    """The kinds of anomalies, each once."""
    return ", ".join(dict.fromkeys(anomaly["kind"] for anomaly in anomalies))


def timeline(steps: Iterable[dict[str, Any]]) -> str:
    """A line for each event: its number, its time, what it was, what it told and what it did."""
    return table(("seq", "at", "event", "told", "what it did", "anomalies"), map(_step, steps))


def _step(step: dict[str, Any]) -> Sequence[object]:
    moved = f"{step['from']} > {step['to']}" if step["from"] != step["to"] else ""
    region = f"{step['region']}: " if moved and step["region"] else ""
    at = (step["occurred_at"] or "")[11:19]
    what = step["type"] or step["reason"]
    return step["sequence"], at, what, _told(step["data"]), region + moved, kinds(step["anomalies"])


def _told(data: dict[str, Any]) -> str:
    """The signal of a chunk, or the words of an error."""
    if "snr" in data:
        return f"{data['snr']} dB"
    return str(data.get("details") or data.get("code") or data.get("visible") or "")
