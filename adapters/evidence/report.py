"""The bundle's page for people: one HTML file without scripts, that prints well."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from html import escape
from typing import Any, NamedTuple

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

_COLUMNS = ("Position", "Run", "Event", "Occurred", "Received", "Recorded", "Verified by", "From, to", "Why")

_HOW = (
    "Run <code>python verify.py</code> in this folder: it needs Python, the package <code>cryptography</code> and no "
    "network. Compare the key below with the one that the log's operator gave you by another way. A log proves that "
    "nothing was changed since the checkpoint was made; that it was not made up before, only checkpoints kept by "
    "others and signatures of the senders can show."
)


class ReportFacts(NamedTuple):
    """What the page says above: of what it is, and under which key and checkpoint."""

    subject: str
    provider: str
    events: int
    key: str
    checkpoint: str


def report(
    facts: ReportFacts, state: Mapping[str, Any] | None, rows: Iterable[Iterable[bytes]], listed: Iterable[bytes]
) -> Iterator[bytes]:
    """The page, piece by piece. `state`: None where bodies were erased. `rows` are those of `row`, in their order;
    `listed` a line for each file, its hash in front.
    """
    above = (("Evidence of", facts.subject), ("Provider", facts.provider), ("Events", str(facts.events)))
    below = (("State", _state(state)), ("Key of the log", facts.key))
    title = f"Evidence of {escape(facts.subject)}"
    yield f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">{_POLICY}<title>{title}</title>'.encode()
    yield f"<style>{_STYLE}</style>\n<h1>{title}</h1><table>".encode()
    for name, value in (*above, *below):
        yield _row((escape(name), f"<code>{escape(value)}</code>"))
    yield f"</table><p>{_HOW}</p><h2>What happened</h2>".encode() + _head(_COLUMNS)
    for some in rows:
        yield from some
    yield f"</table><h2>Checkpoint</h2><pre>{escape(facts.checkpoint)}</pre><h2>Files</h2>".encode()
    yield _head(("File", "SHA-256"))
    for line in listed:
        digest, _, name = line.decode().strip().partition("  ")
        yield _row((escape(name), f"<code>{digest}</code>"))
    yield b"</table>\n</html>\n"


def row(one: Exhibit, step: Any) -> bytes:
    """What happened at one event; without a step, why it makes none."""
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
    clocks = [_time(at) for at in (held.occurred_at, held.received_at, held.recorded_at)]
    number = "" if held.sequence is None else f" {held.sequence}"
    kind = f"{held.type or held.reading}{number}"
    told = (str(held.position), run, kind, *clocks, held.verified_by or "nothing", moved, why)
    return _row([escape(text).replace("\n", " ") for text in told])


def _state(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "bodies were erased; it cannot be folded again"
    regions = ", ".join(f"{name} {value}" for name, value in told["regions"].items())
    return f"{regions}; outcome {told['outcome'] or 'none'}"


def _head(names: Sequence[str]) -> bytes:
    return ("<table><thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr></thead>").encode()


def _row(cells: Sequence[str]) -> bytes:
    return ("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>").encode()


def _time(at: Instant | None) -> str:
    """Counted in whole numbers: as a float, the last microsecond of the year 9999 is in the year 10000."""
    moment = _EPOCH + timedelta(microseconds=at or 0)
    return "" if at is None else moment.isoformat(sep=" ", timespec="milliseconds")
