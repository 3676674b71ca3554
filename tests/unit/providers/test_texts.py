"""Ids are kept exactly or refused; other strings are made storable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers.texts import safe, usable_id

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
