"""Golden histories: whole stories with what each event is expected to do.

Each line was thought through; none is ever regenerated to make a build pass.
`tests/histories/NAME.json` says `why` it is there, the `machine`, the source's `settings`, the `events` in the order in
which they arrived (in the words of `tests.support.streams`), the `trace` in canonical order, and what is expected of
the `state`.
"""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from core.event import Anomaly
from core.fold import MACHINES, Measurement, Run, Settings, Step, fold, trace
from tests.support.streams import stream

STORIES = sorted((Path(__file__).parents[2] / "histories").glob("*.json"))


class Story(msgspec.Struct, forbid_unknown_fields=True):
    why: str
    machine: str
    events: list[str]
    trace: list[str]
    state: dict[str, Any]
    settings: Settings = Settings()


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_it_was_told(path: Path):
    story = msgspec.json.decode(path.read_bytes(), type=Story)
    kind, events = MACHINES[story.machine], stream(*story.events)

    state = fold(kind, events, story.settings)

    assert [line_of(step) for step in trace(kind, events, story.settings)] == story.trace
    assert {name: plain(getattr(state, name)) for name in story.state} == story.state


def line_of(step: Step) -> str:
    """`position: from -> to; anomaly, anomaly`, the regions named where there are several."""
    moves = [
        f"{name if len(step.after) > 1 else ''} {step.before[name]} -> {after}".strip()
        for name, after in step.after.items()
        if after != step.before[name]
    ]
    stays = f"stays, {step.reason}" if step.reason else "stays"
    anomalies = "".join(f"; {anomaly.kind} ({anomaly.detail})" for anomaly in step.anomalies)
    return f"{step.position}: {', '.join(moves) or stays}{anomalies}"


def plain(value: Any) -> Any:
    """Anomalies as `kind position`, runs as `number ended_by reason`, measurements as what they came to."""
    match value:
        case list():
            return [plain(one) for one in value]
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
