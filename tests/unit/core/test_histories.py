"""Golden histories: whole stories with what each event is expected to do.

Each line was thought through; none is ever regenerated to make a build pass.
`hookfold replay capture` writes new ones.
`tests/histories/NAME.json` says `why` it is there, the `machine`, the source's `settings`, the `events` in the order in
which they arrived (as `core.views.golden_history` writes them), the `trace` in canonical order, and what is expected of
the `state`.
"""

from pathlib import Path

import msgspec
import pytest

from core.folding.fold import MACHINES, fold, trace
from core.views.golden_history import GoldenHistory, line_of, stream, summary

STORIES = sorted((Path(__file__).parents[2] / "histories").glob("*.json"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_it_was_told(path: Path):
    story = msgspec.json.decode(path.read_bytes(), type=GoldenHistory)
    kind, events = MACHINES[story.machine], stream(*story.events)

    state = fold(kind, events, story.settings)

    assert [line_of(step) for step in trace(kind, events, story.settings)] == story.trace
    assert {name: summary(getattr(state, name)) for name in story.state} == story.state
