"""The bundle's page for people: one HTML file without scripts, that prints well."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Any

from adapters.sql import Exhibit
from core.event import Instant

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_STYLE = """
body { font: 10pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; color: #111; padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .2em .6em }
tr { border-bottom: 1px solid #ccc; break-inside: avoid } thead { display: table-header-group }
code { font-size: .85em; overflow-wrap: anywhere } @page { size: A4 landscape; margin: 12mm }
@media print { body { margin: 0; max-width: none } }
"""

_POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"

_HOW = (
    "Run <code>python verify.py</code> in this folder: it needs Python, the package <code>cryptography</code> and no "
    "network. Compare the key below with the one that the log's operator gave you by another way. A log proves that "
    "nothing was changed since the checkpoint was made; that it was not made up before, only checkpoints kept by "
    "others and signatures of the senders can show."
)


def report(
    subject: str,
    provider: str,
    exhibits: Sequence[Exhibit],
    story: Mapping[str, Any] | None,
    files: Mapping[str, bytes],
) -> str:
    """The page. `story`: state and steps; None where bodies were erased."""
    facts = [
        ("Evidence of", subject),
        ("Provider", provider),
        ("Events", str(len(exhibits))),
        ("State", _state(story)),
        ("Key of the log", files["key.txt"].decode().strip()),
    ]
    parts = [
        f"<h1>Evidence of {escape(subject)}</h1>",
        _table((), [[_cell(name), f"<code>{escape(value)}</code>"] for name, value in facts]),
        f"<p>{_HOW}</p><h2>What happened</h2>",
        _table(
            ("Position", "Run", "Event", "Occurred", "Received", "Recorded", "Verified by", "From, to", "Why"),
            _steps(exhibits, story),
        ),
        "<h2>Checkpoint</h2><pre>" + escape(files["checkpoint.note"].decode()) + "</pre><h2>Files</h2>",
        _table(("File", "SHA-256"), [[_cell(name), _code(content)] for name, content in sorted(files.items())]),
    ]
    head = f'<meta charset="utf-8">{_POLICY}<title>Evidence of {escape(subject)}</title><style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en">\n{head}\n{"".join(parts)}\n</html>\n'


def _state(story: Mapping[str, Any] | None) -> str:
    if story is None:
        return "bodies were erased; it cannot be folded again"
    told = story["state"]
    regions = ", ".join(f"{name} {value}" for name, value in told["regions"].items())
    return f"{regions}; outcome {told['outcome'] or 'none'}"


def _steps(exhibits: Sequence[Exhibit], story: Mapping[str, Any] | None) -> list[list[str]]:
    """In canonical order; then what no step was made of."""
    steps = {step.position: step for step in story["steps"]} if story else {}
    place = {position: number for number, position in enumerate(steps)}
    ordered = sorted(exhibits, key=lambda one: (place.get(one.columns.position, len(place)), one.columns.position))
    return [_step(one, steps.get(one.columns.position)) for one in ordered]


def _step(one: Exhibit, step: Any) -> list[str]:
    held = one.columns
    run, moved, why = "", "", ""
    if one.erased is not None:
        why = f"erased, as the event at position {one.erased} tells"
    elif one.retraction is not None:
        why = f"retracted by the event at position {one.retraction}"
    elif step is not None:
        run, why = str(step.run), step.rule or step.reason or ""
        changed = [name for name in step.after if step.before[name] != step.after[name]]
        moved = ", ".join(f"{step.before[name]} \N{RIGHTWARDS ARROW} {step.after[name]}" for name in changed)
        why += "".join(f"; {anomaly.kind}: {anomaly.detail}" for anomaly in step.anomalies)
    clocks = [_cell(_time(at)) for at in (held.occurred_at, held.received_at, held.recorded_at)]
    number = "" if held.sequence is None else f" {held.sequence}"
    told = (f"{held.type or held.reading}{number}", held.verified_by or "nothing", moved, why)
    kind, verified, *rest = map(_cell, told)
    return [_cell(str(held.position)), _cell(run), kind, *clocks, verified, *rest]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "<thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr></thead>" if head else ""
    return (
        f"<table>{top}"
        + "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
        + "</table>"
    )


def _cell(text: str) -> str:
    return escape(text)


def _code(content: bytes) -> str:
    return f"<code>{sha256(content).hexdigest()}</code>"


def _time(at: Instant | None) -> str:
    """Counted in whole numbers: as a float, the last microsecond of the year 9999 is in the year 10000."""
    moment = _EPOCH + timedelta(microseconds=at or 0)
    return "" if at is None else moment.isoformat(sep=" ", timespec="milliseconds")
