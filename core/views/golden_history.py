"""Golden histories: a stream's events as lines of text, with the expected result of their fold.

`wms_late_chunk.json` and its like under `tests/histories` are made of these.
"""

import hashlib
import json
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from core.event import SECOND, Anomaly, Event, Instant
from core.folding.fold import Step, fold, trace
from core.states.records import Measurement
from core.states.state import Run, Settings, StateMachine

START = 1_700_000_000
"""The Unix time that `@0` stands for."""

EXPECTED = ("state", "outcome", "run", "runs", "measurements", "anomalies")
"""The state's fields that a captured history expects, as far as the machine has them."""

_WORDS = frozenset("type reason visible code severity command action_type device_type error_code event package".split())
"""Fields that hold a word of the provider's vocabulary. Their values are kept if they look like one."""

_WORD = re.compile(r"[A-Za-z_.]{1,40}")


class GoldenHistory(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A history and its expected result. `events` are in order of arrival, `trace` in canonical order."""

    why: str
    machine: str
    events: list[str]
    trace: list[str]
    state: dict[str, Any]
    settings: Settings = Settings()


class Uncapturable(Exception):
    """A history whose lines do not fold to the same steps."""


def stream(*lines: str, every: float = 2) -> list[Event]:
    """Events in order of arrival, from lines of the form `type [number] [@seconds] [name=value ...]`.

    Without `@` an event happens `every` seconds after the previous one; `@?` leaves the time unknown. A value is JSON
    if it parses as JSON, else text.
    """
    events: list[Event] = []
    clock = -every
    for line in lines:
        event = _event(line, len(events) + 1, clock + every)
        clock = clock + every if event.occurred_at is None else event.occurred_at / SECOND - START
        events.append(event)
    return events


def captured(why: str, kind: StateMachine, events: Sequence[Event], settings: Settings) -> GoldenHistory:
    """The history of a stream with everything personal replaced. Raises Uncapturable unless its lines fold to the same
    steps.
    """
    lines = lines_of(events)
    again = stream(*lines)
    told, real = trace(kind, again, settings), trace(kind, _renumbered(events), settings)
    if [_moves(step) for step in told] != [_moves(step) for step in real]:
        raise Uncapturable(
            "its lines do not fold as it did: ties between events of one time, or notes of their reading"
        )
    state = fold(kind, again, settings)
    expected = {name: summary(getattr(state, name)) for name in EXPECTED if hasattr(state, name)}
    return GoldenHistory(why, kind.name, lines, [line_of(step) for step in told], expected, settings)


def lines_of(events: Sequence[Event]) -> list[str]:
    """The events in order of arrival, with times shifted so that the first one's second is `START`."""
    ordered = sorted(events, key=lambda event: event.position)
    times = [event.received_at if event.occurred_at is None else event.occurred_at for event in ordered]
    shift = START - min(times, default=0) // SECOND
    names = _Names()
    return [_line(event, shift, names) for event in ordered]


def line_of(step: Step) -> str:
    """`position: from -> to; anomaly, anomaly`, with the regions named if there are several."""
    moves = [
        f"{name if len(step.after) > 1 else ''} {step.before[name]} -> {after}".strip()
        for name, after in step.after.items()
        if after != step.before[name]
    ]
    stays = f"stays, {step.reason}" if step.reason else "stays"
    anomalies = "".join(f"; {anomaly.kind} ({anomaly.detail})" for anomaly in step.anomalies)
    return f"{step.position}: {', '.join(moves) or stays}{anomalies}"


def summary(value: Any) -> Any:
    """Anomalies as `kind position`, runs as `number ended_by reason`, measurements as their state and outcome."""
    match value:
        case list():
            return [summary(one) for one in value]
        case Anomaly():
            return f"{value.kind} {value.position}"
        case Run():
            words = [value.run, value.ended_by, value.reason, "restarted" if value.restarted else None]
            return " ".join(str(word) for word in words if word is not None)
        case Measurement():
            whole = "complete" if value.complete else "incomplete"
            return f"{value.measurement_id} run {value.run}: {value.state}, {value.outcome}, {whole}"
        case _:
            return value


class _Names:
    """Pseudonyms for personal values. Equal values get equal pseudonyms."""

    def __init__(self) -> None:
        self._given: dict[str, str] = {}

    def of(self, field: str, value: Any) -> Any:
        """The value with every text replaced that is not a word of the provider's vocabulary."""
        match value:
            case str():
                return value if field in _WORDS and _WORD.fullmatch(value) else self._name(field, value)
            case dict():
                return {f"field{number}": self.of(field, one) for number, one in enumerate(value.values(), 1)}
            case list():
                return [self.of(field, one) for one in value]
            case _:
                return value

    def _name(self, field: str, value: str) -> str:
        user = next((known for known in self._given if field == "session_id" and value.startswith(f"{known}-")), None)
        if user is not None:
            return f"{self._given[user]}-{value[len(user) + 1 :]}"
        return self._given.setdefault(value, f"{field.removesuffix('_id')}{len(self._given) + 1}")


def _line(event: Event, shift: int, names: _Names) -> str:
    user = event.data.get("user_id")
    if isinstance(user, str):
        names.of("user_id", user)  # before the session's id, which may begin with it
    words = [event.type] if event.sequence is None else [event.type, str(event.sequence)]
    words.append("@?" if event.occurred_at is None else f"@{_seconds(event.occurred_at + (shift - START) * SECOND)}")
    received = event.received_at // SECOND + shift - START
    if event.occurred_at is None or received != event.occurred_at // SECOND + shift - START:
        words.append(f"received={received}")
    words += [f"{name}={_json(names.of(name, value))}" for name, value in event.data.items() if name != "payload"]
    if not event.signed:
        words.append("signed=false")
    if not event.known:
        words.append("known=false")
    return " ".join(words)


def _seconds(at: Instant) -> str:
    return f"{at // SECOND}.{at % SECOND:06d}".rstrip("0").rstrip(".")


def _json(value: Any) -> str:
    """JSON without spaces; a space inside a text is escaped."""
    text = json.dumps(value, separators=(",", ":")).replace(" ", "\\u0020")
    return value if isinstance(value, str) and text == f'"{value}"' and not _reads_as_json(value) else text


def _reads_as_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _renumbered(events: Sequence[Event]) -> list[Event]:
    ordered = sorted(events, key=lambda event: event.position)
    return [msgspec.structs.replace(event, position=number) for number, event in enumerate(ordered, 1)]


def _moves(step: Step) -> tuple[Any, ...]:
    told = [anomaly.kind for anomaly in step.anomalies if anomaly.kind not in {"unknown_type", "undecodable"}]
    return step.position, step.before, step.after, told


def _event(line: str, position: int, clock: float) -> Event:
    kind, *words = line.split()
    number = next((int(word) for word in words if word.lstrip("-").isdigit()), None)
    said = next((word[1:] for word in words if word.startswith("@")), str(clock))
    at = None if said == "?" else round((START + float(said)) * SECOND)
    data = dict(_pair(word) for word in words if "=" in word)
    received = data.pop("received", None)
    known = data.pop("known", True)
    return Event(
        position=position,
        key=hashlib.sha256(f"{line} {at}".encode()).digest(),
        type=kind,
        sequence=number,
        occurred_at=at,
        received_at=(START + received) * SECOND if received is not None else at or START * SECOND,
        signed=bool(data.pop("signed", True)),
        data=data,
        known=known,
    )


def _pair(word: str) -> tuple[str, Any]:
    name, value = word.split("=", 1)
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
