"""Headers as they are committed to."""

from string import ascii_lowercase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.headers import from_lines, to_lines

names = st.text(alphabet=ascii_lowercase + "-!#", min_size=1)
values = st.text() | st.text(alphabet="a: \r\n\x00é")


def test_headers_are_field_lines():
    headers = [("host", "example.com:8400"), ("accept", "*/*"), ("x-empty", ""), ("x-place", "Zürich"), ("accept", "a")]

    lines = to_lines(headers)

    assert lines == "host:example.com:8400\naccept:*/*\nx-empty:\nx-place:Zürich\naccept:a".encode()


def test_no_headers_are_no_bytes():
    assert to_lines([]) == b""
    assert from_lines(b"") == []


def test_a_folded_value_goes_on_behind_a_space():
    assert to_lines([("subject", "one\r\n two\nthree"), ("host", "a")]) == b"subject:one\r\n  two\n three\nhost:a"


@given(st.lists(st.tuples(names, values)))
def test_nothing_of_what_was_handed_over_is_lost(headers: list[tuple[str, str]]):
    assert from_lines(to_lines(headers)) == headers


def test_a_line_feed_in_a_name_is_refused_for_it_would_read_as_another_header():
    with pytest.raises(ValueError, match="no name of a header"):
        to_lines([("host:a\nx-admin", "yes")])


@pytest.mark.parametrize("name", ["host:a", ":authority", " host", "\n", " ", ":"])
def test_a_name_that_would_read_as_another_one_is_refused(name: str):
    with pytest.raises(ValueError, match="no name of a header"):
        to_lines([("accept", "*/*"), (name, "value")])


@given(st.lists(st.tuples(st.text("a: \t\r\n"), st.text("a: \n"))))
def test_what_is_not_refused_reads_back_as_it_was(headers: list[tuple[str, str]]):
    try:
        lines = to_lines(headers)
    except ValueError:
        assert any(sign in name for name, _ in headers for sign in ": \n")
    else:
        assert from_lines(lines) == headers
