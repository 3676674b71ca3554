"""A count reads as a person would say it."""

import re
from pathlib import Path

import pytest

from core.words import counted

HOUSE = Path(__file__).parents[3]
PLURAL = re.compile(
    r"\{[^{}]*\} (?:(?!the )[a-z]+ ){0,2}"
    r"(?:streams|events|sessions|deliveries|rejections|runs|sources|positions|versions|messages|actions|measurements|"
    r"checkpoints|nodes|anomalies|chunks|attempts|webhooks|things) (?!a second)"
)
"""A noun behind a number that may be one."""


@pytest.mark.parametrize(
    ("count", "words", "said"),
    [
        (0, ("stream",), "0 streams"),
        (1, ("stream",), "1 stream"),
        (2, ("stream waits", "streams wait"), "2 streams wait"),
        (1, ("delivery is", "deliveries are"), "1 delivery is"),
    ],
)
def test_a_count_agrees_with_what_it_counts(count: int, words: tuple[str, ...], said: str):
    assert counted(count, *words) == said


def test_no_message_says_one_streams():
    said = {
        f"{path.relative_to(HOUSE)}:{number}"
        for folder in ("adapters", "core", "wiring")
        for path in (HOUSE / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if 'f"' in line and PLURAL.search(line)
    }

    assert said == set()
