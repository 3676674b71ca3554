"""A bundle's readable report: one HTML file without scripts, suited for print."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

import msgspec

from adapters.sql import RecordedEvent
from core.event import Event, Instant
from core.instants import moment_of
from core.states.records import Measurement
from core.words import counted

_STYLE = """
body { font: 10pt/1.4 system-ui, sans-serif; margin: 2em auto; max-width: 75em; color: #111; padding: 0 1em }
h1 { font-size: 1.4em } h2 { font-size: 1.1em; margin-top: 2em; break-after: avoid }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .2em .6em }
tr { border-bottom: 1px solid #ccc; break-inside: avoid } thead { display: table-header-group }
code { font-size: .85em; overflow-wrap: anywhere } @page { size: A4 landscape; margin: 12mm }
@media print { body { margin: 0; max-width: none } }
"""

_POLICY = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"

_COLUMNS = ("Position", "Run", "Event", "Occurred", "Received", "Recorded", "Verified by", "From, to", "Why")

_ERASURES = ("Told at position", "When", "By", "Why", "Request, as its certificate has it", "Events of this bundle")

_MEASUREMENTS = ("Measurement", "Run", "State", "Outcome", "Complete", "Started", "Ended")

_OWN = "\N{BLACK CIRCLE} "
"""In front of what is the subject's, in a page that has the whole visit."""

_HOW = (
    "Run <code>python verify.py</code> in this folder: it needs Python, the package <code>cryptography</code> and no "
    "network. Compare the key above with the one that the log's operator gave you by another way. A log proves that "
    "nothing was changed since the checkpoint was made; that it was not made up before, only checkpoints kept by "
    "others and signatures of the senders can show."
)


_GONE = (
    "Headers, bodies and salts of {} were destroyed. What is left of each is its row below and a commitment to what is "
    "gone, and the log's tree still covers both: so it is proven that the event is at this place of the log, with this "
    "type and these times, and of the events that were not erased that they are as they were recorded. What was in an "
    "erased one can be proven only by who kept headers, body and salt. The state is what Hookfold came to before the "
    "erasure; it is signed, and cannot be worked out again. With the certificate of the erasure, <code>python "
    "verify.py --certificate FILE</code> tells whether it names these events."
)


class ToldErasure(msgspec.Struct):
    """An erasure as its event at `position` records it. `events` counts the bundle's events that it erased."""

    request: str = ""
    who: str = ""
    reason: str = ""
    at: Instant | None = None
    position: int = 0
    events: int = 0


class Subject(NamedTuple):
    """What a bundle is asked for by our id: a session, or a measurement of it, whose first position is `opened`."""

    id: str
    stream: str
    opened: int | None


class ReportFacts(NamedTuple):
    """The facts at the head of the page: its subject, the key and the checkpoint, and erasures."""

    subject: Subject
    provider: str
    events: int
    key: str
    checkpoint: str
    erasures: Sequence[ToldErasure]
    measurements: Sequence[Measurement]


def told_erasure(one: RecordedEvent, events: int) -> ToldErasure:
    """The erasure that an event of ours records. Its fields are empty if an import left that event out."""
    found = msgspec.json.decode(one.body or b"{}", type=ToldErasure)
    found.position, found.events = one.columns.position, events
    return found


def report(
    facts: ReportFacts, state: Mapping[str, Any] | None, rows: Iterable[Iterable[bytes]], listed: Iterable[bytes]
) -> Iterator[bytes]:
    """Yields the page in pieces. `state` is None if it is unknown. `rows` are made by `row`, in the order of the page.

    `listed` has a line for each file: its hash, then its name.
    """
    above = (("Evidence of", facts.subject.id), ("Provider", facts.provider), ("Events", str(facts.events)))
    below = (("State of the session", _state(state)), ("Key of the log", facts.key))
    title = f"Evidence of {escape(facts.subject.id)}"
    yield f'<!doctype html>\n<html lang="en">\n<meta charset="utf-8">{_POLICY}<title>{title}</title>'.encode()
    yield f"<style>{_STYLE}</style>\n<h1>{title}</h1><table>".encode()
    for name, value in (*above, *below):
        yield _row((escape(name), f"<code>{escape(value)}</code>"))
    yield f"</table><p>{_HOW}</p><p>All times are UTC.{_whole_visit(facts)}</p>".encode()
    yield from _erased(facts.erasures)
    yield from _measured(facts)
    yield b"<h2>What happened</h2>" + _head(_COLUMNS)
    for some in rows:
        yield from some
    yield f"</table><h2>Checkpoint</h2><pre>{escape(facts.checkpoint)}</pre><h2>Files</h2>".encode()
    yield _head(("File", "SHA-256"))
    for line in listed:
        digest, _, name = line.decode().strip().partition("  ")
        yield _row((escape(name), f"<code>{digest}</code>"))
    yield b"</table>\n</html>\n"


def row(one: RecordedEvent, event: Event | None = None, step: Any = None, opened: int | None = None) -> bytes:
    """The table row of an event. Without a step, it says why the fold skips the event.

    The events of the measurement whose first position is `opened` are marked.
    """
    held = one.columns
    mark, run, moved, why, signal = "", "", "", "", ""
    if one.erased is not None:
        why = f"erased, as the event at position {one.erased} tells"
    elif one.retraction is not None:
        why = f"retracted by the event at position {one.retraction}"
    elif step is not None:
        mark = _OWN if opened is not None and step.measurement == opened else ""
        signal = _signal(event)
        run, why = str(step.run), step.rule or step.reason or ""
        changed = [name for name in step.after if step.before[name] != step.after[name]]
        moved = ", ".join(f"{step.before[name]} \N{RIGHTWARDS ARROW} {step.after[name]}" for name in changed)
        why += "".join(f"; {anomaly.kind}: {anomaly.detail}" for anomaly in step.anomalies)
    clocks = [_time(at) for at in (held.occurred_at, held.received_at, held.recorded_at)]
    number = "" if held.sequence is None else f" {held.sequence}"
    kind = f"{held.type or held.reading}{number}"
    told = (f"{mark}{held.position}", run, kind + signal, *clocks, held.verified_by or "nothing", moved, why)
    return _row([escape(text).replace("\n", " ") for text in told])


def _whole_visit(facts: ReportFacts) -> str:
    """What a page of one measurement says of the rest."""
    subject = facts.subject
    if subject.opened is None:
        return ""
    which = f"those with {_OWN.strip()} are the measurement's own"
    if facts.erasures:
        which = "which of them are the measurement's own was erased"
    return f" The events are those of the whole session {escape(subject.stream)}: {which}."


def _measured(facts: ReportFacts) -> Iterator[bytes]:
    """The measurements of the session; nothing where it has none."""
    if not facts.measurements:
        return
    left = ", the newest as the erasure left them" if facts.erasures else ""
    yield f"<h2>Measurements of the session{left}</h2>".encode() + _head(_MEASUREMENTS)
    for one in facts.measurements:
        mark = _OWN if one.position == facts.subject.opened else ""
        name = one.measurement_id or ("its id was erased, where it had one" if facts.erasures else "never given an id")
        clocks = (_time(one.started_at), _time(one.ended_at))
        whole = "yes" if one.complete else "no"
        told = (f"{mark}{name}", str(one.run), one.state, one.outcome or "none", whole, *clocks)
        yield _row([escape(text) for text in told])
    yield b"</table>"


def _signal(event: Event | None) -> str:
    """What a chunk tells: `, chunk 1: 3.5 dB` where it has a number; nothing of other events."""
    told = event.data if event is not None else {}
    if "snr" not in told:
        return ""
    chunk = f"chunk {told['result_sequence']}: " if "result_sequence" in told else ""
    return f", {chunk}{told['snr']} dB"


def _erased(erasures: Sequence[ToldErasure]) -> Iterator[bytes]:
    """The section about erasures; nothing if there are none."""
    if not erasures:
        return
    events = counted(sum(one.events for one in erasures), "event")
    yield f"<h2>What was erased</h2><p>{_GONE.format(events)}</p>".encode() + _head(_ERASURES)
    for one in erasures:
        told = (str(one.position), _time(one.at), one.who, one.reason, one.request, str(one.events))
        yield _row([escape(text) for text in told])
    yield b"</table>"


def _state(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "bodies were erased; it cannot be folded again"
    regions = ", ".join(f"{name} {value}" for name, value in told["regions"].items())
    left = f", as the erasure at position {told['position']} left it" if "position" in told else ""
    return f"{regions}; outcome {told['outcome'] or 'none'}{left}"


def _head(names: Sequence[str]) -> bytes:
    return ("<table><thead><tr>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr></thead>").encode()


def _row(cells: Sequence[str]) -> bytes:
    return ("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>").encode()


def _time(at: Instant | None) -> str:
    return "" if at is None else moment_of(at).replace(tzinfo=None).isoformat(sep=" ", timespec="milliseconds")
