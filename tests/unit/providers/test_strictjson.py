"""One strict object, or a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.providers.strictjson import DEEPEST, loads
from core.event import Unreadable

REFUSED = {
    "nothing": b"",
    "a trailing comma": b'{"a": 1,}',
    "a comment": b'{"a": 1} // why',
    "a block comment": b'{/* why */ "a": 1}',
    "two documents": b'{"a": 1}{"a": 1}',
    "two lines of documents": b'{"a": 1}\n{"a": 1}',
    "trailing garbage": b'{"a": 1}x',
    "single quotes": b"{'a': 1}",
    "a name without quotes": b"{a: 1}",
    "a raw control character": b'{"a": "\n"}',
    "a raw NUL": b'{"a": "\x00"}',
    "a NUL behind it": b'{"a": 1}\x00',
    "a leading zero": b'{"a": 01}',
    "a plus": b'{"a": +1}',
    "a bare fraction": b'{"a": .5}',
    "Latin-1": b'{"a": "\xe9"}',
    "an overlong form": b'{"a": "\xc0\x80"}',
    "a surrogate as UTF-8": b'{"a": "\xed\xa0\x80"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "UTF-16 without its mark": '{"a": 1}'.encode("utf-16-le"),
    "UTF-32": '{"a": 1}'.encode("utf-32"),
    "a byte order mark": b'\xef\xbb\xbf{"a": 1}',
    "a list": b'[{"a": 1}]',
    "a string": b'"a"',
    "a number": b"1",
    "null": b"null",
    "a name twice": b'{"a": 1, "a": 1}',
    "a name twice, once escaped": b'{"a": 1, "\\u0061": 2}',
    "a name twice, further in": b'{"b": [{"a": 1, "a": 2}]}',
    "NaN": b'{"a": NaN}',
    "Infinity": b'{"a": Infinity}',
    "minus Infinity": b'{"a": -Infinity}',
    "1e400": b'{"a": 1e400}',
    "-1e400": b'{"a": -1e400}',
    "2^63": b'{"a": 9223372036854775808}',
    "-2^63 - 1": b'{"a": -9223372036854775809}',
    "2^70": b'{"a": 1180591620717411303424}',
    "five thousand digits": b'{"a": ' + b"9" * 5_000 + b"}",
    "a hundred thousand brackets": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "a hundred thousand opened objects": b'{"a":' * 100_000,
    "a hundred thousand opened brackets": b"[" * 100_000,
}


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_one_strict_object_is_unreadable(body):
    document = loads(body)

    assert isinstance(document, Unreadable)
    assert document.reason


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 0, 1.5, 1e308, -1e-400])
def test_numbers_that_fit_are_taken(number):
    assert loads(b'{"a": %s}' % str(number).encode()) == {"a": number}


def nested(levels):
    return b'{"a": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_the_nesting_limit_is_exact_and_does_not_depend_on_the_stack():
    def at_depth(calls, body):
        return at_depth(calls - 1, body) if calls else loads(body)

    assert isinstance(nested(DEEPEST) and loads(nested(DEEPEST)), dict)
    assert isinstance(at_depth(400, nested(DEEPEST)), dict)
    assert loads(nested(DEEPEST + 1)) == Unreadable("nested deeper than 64 levels")


def test_brackets_in_strings_do_not_nest():
    assert loads(b'{"a": "' + b"[" * 500 + b'\\"' + b"{" * 500 + b'"}') == {"a": "[" * 500 + '"' + "{" * 500}


def test_many_brackets_side_by_side_do_not_nest():
    assert loads(b'{"a": [' + b"[]," * 500 + b"[]]}") == {"a": [[]] * 501}


def test_a_reason_tells_nothing_of_the_body():
    document = loads(b'{"secret": 1, "secret": 2}')

    assert document == Unreadable("a name stands twice in one object")


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(body):
    assert isinstance(loads(body), dict | Unreadable)


@given(st.text('[]{}",:\\ntrue0123456789.eE+-u ', max_size=80))
def test_nothing_that_looks_like_json_makes_it_raise(text):
    assert isinstance(loads(b"{" + text.encode() + b"}"), dict | Unreadable)
