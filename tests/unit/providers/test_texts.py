"""Ids are kept exactly or refused; other strings are made storable."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers.texts import safe, usable_id
from core.event import Reading
from tests.support.deliveries import wms

ODD = {
    "dots": "..",
    "a path": "a/b",
    "an escaped slash": "%2F",
    "an emoji": "😀",
    "a right-to-left override": "a\u202eb",
    "composed": "caf\u00e9",
    "decomposed": "cafe\u0301",
    "a space": " ",
    "the longest": "x" * 512,
    "the longest in emoji": "😀" * 512,
}


@pytest.mark.parametrize("value", ODD.values(), ids=ODD.keys())
def test_an_id_may_be_odd(value):
    assert usable_id(value)


@pytest.mark.parametrize("value", ["", "x" * 513, "😀" * 513, "a\0b", "é\0", "\ud800", "a\udfffb", "x" * 10_240])
def test_an_id_that_no_column_takes_is_refused(value):
    assert not usable_id(value)


def test_nul_and_lone_surrogates_are_written_out_everywhere():
    document = {"a\0": ["\ud800", {"b": "x\0y"}], "c": 1, "d": None, "e": "😀"}

    assert safe(document) == {"a\\u0000": ["\\ud800", {"b": "x\\u0000y"}], "c": 1, "d": None, "e": "😀"}


@given(st.text(st.characters(exclude_categories=())))
def test_what_was_made_safe_can_be_stored(text):
    stored = safe(text).encode()

    assert b"\0" not in stored


PARTS = st.sampled_from(
    ["\0", "\ud800", "\udfff", "\\", "u", "u0000", "u005c", "ud800", "udfff", "uD800", "005c", "a", "é"]
)
TEXTS = st.lists(PARTS, max_size=4).map("".join)
INNER = TEXTS | st.lists(TEXTS, max_size=2) | st.dictionaries(TEXTS, TEXTS, max_size=2)
DOCUMENTS = st.dictionaries(TEXTS, INNER, max_size=3)


def as_sent(value: Any) -> Any:
    """The way back, as it is documented."""
    if isinstance(value, dict):
        return {as_sent(name): as_sent(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [as_sent(inner) for inner in value]
    return re.sub(r"\\u(0000|005c|d[89a-f][0-9a-f]{2})", lambda found: chr(int(found[1], 16)), value)


def joined(value: str) -> bool:
    """Whether JSON would give it back: two halves of a pair that stand side by side become one character."""
    return re.search("[\ud800-\udbff][\udc00-\udfff]", value) is None


@given(DOCUMENTS)
def test_what_was_written_out_says_no_less_than_what_was_sent(document: dict[str, Any]):
    assert as_sent(safe(document)) == document


@given(DOCUMENTS.filter(lambda document: joined(json.dumps(document, ensure_ascii=False))))
def test_the_data_of_an_event_says_no_less_than_its_body(payload: dict[str, Any]):
    body = {"timestamp": 1700000000, "sessionId": "s", "sequence": 0, "event": "SOMETHING_NEW", "payload": payload}

    reading = wms().read(json.dumps(body).encode())

    assert isinstance(reading, Reading)
    assert as_sent(reading.data.get("payload", {})) == payload


def test_a_nul_and_the_six_characters_that_write_it_out_are_two_names():
    assert safe({"a\0": 1, "a\\u0000": 2}) == {"a\\u0000": 1, "a\\u005cu0000": 2}


@pytest.mark.parametrize("text", ["C:\\users", "\\n", "\\u00e9", "\\\\", "\\uD800"])
def test_other_backslashes_stay_as_they_are(text: str):
    assert safe(text) == text
