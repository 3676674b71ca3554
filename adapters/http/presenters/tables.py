"""Timelines as tables: CSV without formulas, and text for a terminal."""

import csv
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import Any

import msgspec
from flask import Response, request

from adapters.http.presenters import shapes
from core.words import counted, uncomputed

CSV, TEXT = "text/csv", "text/plain"
_FORMATS = {"csv": CSV, "csv-bom": CSV, "text": TEXT}
_BOM = "\ufeff"
"""The byte order mark. Without it, spreadsheets read UTF-8 in the local encoding."""

_COLUMNS = (
    *("entry", "position", "type", "sequence", "occurred_at", "received_at", "recorded_at", "after_s", "delay_s"),
    *("run", "measurement_id", "region", "from", "to", "before", "after", "rule", "reason", "guards", "anomalies"),
    *("snr", "result_sequence", "duplicates", "conflicts", "verified_by"),
)
_HEAD = ("position", "occurred", "received", "recorded", "after", "delay", "run", "seq", "event")
_BEHIND = ("verified by", "remarks")
_GAP = ("", "", "", "", "", "", "", "", "-- gap --")
_DATE = len("2023-11-14T")


def wanted_format(asked: str | None) -> str | None:
    """`text/csv` or `text/plain` if the parameter, or else the Accept header, requests it; None for JSON."""
    if asked:
        return _FORMATS.get(asked)
    best = request.accept_mimetypes.best_match(["application/json", CSV, TEXT], "application/json")
    return None if best == "application/json" else best


def table(heading: Sequence[str], steps: Sequence[shapes.Step], media: str, asked: str | None) -> Response:
    """The whole timeline. `heading` precedes the text; `asked` is the parameter's format, if sent."""
    content = as_csv(steps) if media == CSV else as_text(heading, steps)
    if asked == "csv-bom":
        content = _BOM + content
    return Response(content, headers={"Vary": "Accept"}, content_type=f"{media}; charset=utf-8")


def as_csv(steps: Iterable[shapes.Step]) -> str:
    """RFC 4180, with a header line."""
    written = StringIO()
    writer = csv.writer(written)
    writer.writerow(_COLUMNS)
    for step in steps:
        told = msgspec.to_builtins(step)
        told |= {name: step.data.get(name) for name in ("snr", "result_sequence")}
        writer.writerow([_cell(told[name]) for name in _COLUMNS])
    return written.getvalue()


def _cell(value: Any) -> Any:
    """Numbers stay numbers; text that a spreadsheet would compute is quoted."""
    if value is None or isinstance(value, int | float):
        return value
    return uncomputed(value if isinstance(value, str) else _joined(value))


def _joined(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}={_word(one)}" for name, one in value.items())
    return "; ".join(f"{one['kind']}: {one['detail']}" for one in value)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def as_text(heading: Sequence[str], steps: Sequence[shapes.Step]) -> str:
    """One line per entry, columns aligned, with senders' control characters escaped."""
    regions = list(next((step.before for step in steps if step.before), ()))
    rows = [(*_HEAD, *regions, *_BEHIND), *(_row(step, regions) for step in steps)]
    rows = [tuple(_shown(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([*map(_shown, heading), "", *lines, ""])


def _row(step: shapes.Step, regions: Sequence[str]) -> tuple[str, ...]:
    if step.entry == "gap":
        return (*_GAP, *("" for _ in regions), "", step.reason or "")
    sequence = "" if step.sequence is None else str(step.sequence)
    durations = (_seconds(step.after_s, "+"), _seconds(step.delay_s, ""))
    what = (str(step.run or ""), sequence, step.type or "")
    moves = (_move(step, region) for region in regions)
    return (str(step.position), *_clocks(step), *durations, *what, *moves, _verified(step), "; ".join(_remarks(step)))


def _clocks(step: shapes.Step) -> tuple[str, str, str]:
    """The three times. A day that repeats the previous column's is left out."""
    occurred, received, recorded = step.occurred_at or "", step.received_at or "", step.recorded_at or ""
    return occurred or "unknown", _without_day_of(occurred, received), _without_day_of(received, recorded)


def _without_day_of(before: str, time: str) -> str:
    return time[_DATE:] if time[:_DATE] == before[:_DATE] else time


def _move(step: shapes.Step, region: str) -> str:
    before, after = step.before.get(region, ""), step.after.get(region, "")
    return after if before == after else f"{before} -> {after}"


def _verified(step: shapes.Step) -> str:
    return step.verified_by or "nothing"


def _remarks(step: shapes.Step) -> list[str]:
    told = [step.reason] if step.reason else []
    told += [f"{guard}: {_word(said)}" for guard, said in step.guards.items()]
    told += [f"{anomaly.kind}: {anomaly.detail}" for anomaly in step.anomalies]
    told += _chunk(step.data)
    counts = (("duplicate", step.duplicates), ("conflict", step.conflicts))
    told += [counted(count, word) for word, count in counts if count]
    return [*told, f"by {step.rule}"] if step.rule else told


def _chunk(data: dict[str, Any]) -> list[str]:
    if "snr" not in data:
        return []
    number = data.get("result_sequence")
    return [f"snr {data['snr']}" if number is None else f"snr {data['snr']} in chunk {number}"]


def _seconds(value: float | None, sign: str) -> str:
    return "" if value is None else f"{sign if value >= 0 else ''}{value:g}s"


def _shown(text: str) -> str:
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)
