"""Timelines as tables: CSV that no spreadsheet computes, and text for a terminal."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import msgspec
from flask import Response, request

from adapters.http import shapes

CSV, TEXT = "text/csv", "text/plain"
_FORMATS = {"csv": CSV, "text": TEXT}

_COLUMNS = (
    *("entry", "position", "type", "sequence", "occurred_at", "received_at", "recorded_at", "after_s", "delay_s"),
    *("run", "measurement_id", "region", "from", "to", "before", "after", "rule", "reason", "guards", "anomalies"),
    *("snr", "duplicates", "conflicts", "verified_by"),
)
_COMPUTED = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet computes text that begins so."""

_HEAD = ("position", "occurred", "after", "delay", "seq", "event", "step", "verified by", "remarks")


def wanted_format(asked: str | None) -> str | None:
    """`text/csv` or `text/plain` where the parameter, or else the Accept header, prefers it; None for JSON."""
    if asked:
        return _FORMATS.get(asked)
    best = request.accept_mimetypes.best_match(["application/json", CSV, TEXT], "application/json")
    return None if best == "application/json" else best


def table(title: str, steps: Sequence[shapes.Step], media: str) -> Response:
    """The whole timeline. `title` stands above the text."""
    content = as_csv(steps) if media == CSV else as_text(title, steps)
    return Response(content, headers={"Vary": "Accept"}, content_type=f"{media}; charset=utf-8")


def as_csv(steps: Iterable[shapes.Step]) -> str:
    """RFC 4180, with a header line."""
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for step in steps:
        told = msgspec.to_builtins(step)
        told["snr"] = step.data.get("snr")
        writer.writerow([_cell(told[name]) for name in _COLUMNS])
    return written.getvalue()


def _cell(value: Any) -> Any:
    """Numbers stay numbers; text that a spreadsheet would compute is quoted."""
    if value is None or isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else _joined(value)
    return f"'{text}" if text.startswith(_COMPUTED) else text


def _joined(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}={_word(one)}" for name, one in value.items())
    return "; ".join(f"{one['kind']}: {one['detail']}" for one in value)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def as_text(title: str, steps: Sequence[shapes.Step]) -> str:
    """One line an entry, columns aligned; control characters of senders are shown, never sent to a terminal."""
    rows = [_HEAD, *(_row(step) for step in steps)]
    rows = [tuple(_shown(cell) for cell in row) for row in rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([_shown(title), "", *lines, ""])


def _row(step: shapes.Step) -> tuple[str, ...]:
    if step.entry == "gap":
        return ("", "", "", "", "", "-- gap --", "", "", step.reason or "")
    sequence = "" if step.sequence is None else str(step.sequence)
    places = (
        str(step.position),
        step.occurred_at or "unknown",
        _seconds(step.after_s, "+"),
        _seconds(step.delay_s, ""),
    )
    verified = step.verified_by or "nothing"
    return (*places, sequence, step.type or "", _step(step), verified, "; ".join(_remarks(step)))


def _step(step: shapes.Step) -> str:
    if step.from_ is None or step.to is None:
        return ""
    return f"{step.from_} -> {step.to}" if step.from_ != step.to else f"{step.to}"


def _remarks(step: shapes.Step) -> list[str]:
    told = [step.reason] if step.reason else []
    told += [f"{guard}: {_word(said)}" for guard, said in step.guards.items()]
    told += [f"{anomaly.kind}: {anomaly.detail}" for anomaly in step.anomalies]
    told += [f"snr {step.data['snr']}"] if "snr" in step.data else []
    counts = (("duplicate", step.duplicates), ("conflict", step.conflicts))
    return told + [f"{count} {word}{'s' * (count > 1)}" for word, count in counts if count]


def _seconds(value: float | None, sign: str) -> str:
    return "" if value is None else f"{sign if value >= 0 else ''}{value:g}s"


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
