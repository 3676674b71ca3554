"""One strict object, or a reason."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.providers.strictjson import DEEPEST, carefully, loads, plain
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


NUMBERS = ["0", "-0", "-0.0", "1.0", "1e5", "1E-400", "1e400", "01", "2.5e-324", "123456789012345678901e-5"]
BOUNDARIES = [str(2**bits + more) for bits in (53, 63, 64, 70) for more in (-1, 0, 1)]
PARTS = ["a", "b", "\\u0061", ":", "{", "[", '\\"', "\\\\", "\\u0000", "\\ud800", "\x00", "\n", "é", "\x7f"]
strings = st.lists(st.sampled_from(PARTS), max_size=3).map(lambda parts: f'"{"".join(parts)}"')
numbers = st.sampled_from([*NUMBERS, *BOUNDARIES, *(f"-{number}" for number in BOUNDARIES)])
spaces = st.sampled_from(["", "", "", " ", "\n\t", "\x0c", "\xa0"])
leaves = strings | numbers | st.floats().map(repr) | st.sampled_from(["null", "true", "false", "NaN", "nul", "", "'a'"])


def lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda inner: f"[{','.join(inner)}]")


def objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    members = st.tuples(spaces, strings, spaces, values).map(lambda parts: "{}{}{}:{}".format(*parts))
    return st.lists(members, max_size=4).map(lambda inner: f"{{{','.join(inner)}}}")


almost_json = objects(st.recursive(leaves, lambda values: lists(values) | objects(values), max_leaves=8))


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@given((almost_json | st.text()).map(encoded))
def test_a_body_that_is_read_quickly_is_read_as_carefully(body: bytes):
    assert repr(loads(body)) == repr(carefully(body))  # repr: -0.0 is not 0, and 1 is not 1.0


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
def test_nothing_that_is_refused_is_read_quickly(body: bytes):
    assert plain(body) is None


def test_a_webhook_is_read_quickly():
    body = b'{"timestamp":1790000000,"sessionId":"a","event":"API_ERROR","payload":{"codes":[1,{"b":null}],"snr":-1.5}}'

    assert plain(body) == carefully(body)


ANY_NUMBER = st.one_of(
    st.integers(-(2**65), 2**65),
    st.floats(allow_nan=False),
    st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1]),
)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), ANY_NUMBER, st.text(max_size=8)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=3), inner, max_size=4)),
    max_leaves=8,
)
COMPACT = (",", ":")


@st.composite
def plainly_written(draw):
    """Compact JSON, sometimes with another notation of a number, a name twice, or a byte that does not belong there."""
    document = draw(st.dictionaries(st.text(max_size=3), VALUES, max_size=4))
    body = json.dumps(document, separators=COMPACT, ensure_ascii=draw(st.booleans())).encode()
    members = [b'"a":%s' % draw(st.sampled_from([b"1", b"-0", b"1e5", b"1E400", b"NaN", b'"\\ud800"', b"9" * 19]))]
    members *= draw(st.sampled_from([*[0] * 8, 1, 2]))
    body = b"{%s}" % b",".join([*members, body[1:-1]] if body != b"{}" else members)
    at = draw(st.integers(0, len(body)))
    stray = draw(st.sampled_from([*[b""] * 60, b'"', b"\x80", b"\xed\xa0\x80", b"0", b"\\", b"\n"]))
    return body[:at] + stray + body[at:]


@given(plainly_written())
@example(b'{"a":18446744073709551615}')
@example(b'{"a":-9223372036854775809}')
@example(b'{"a":1,"a":1}')
@example(b'{"a":10.0,"b":-0.0,"c":1e300}')
@example(b'{"":"\xc3\xa9\x7f/"}')
def test_a_plainly_written_body_means_what_a_careful_look_says(body):
    assert repr(loads(body)) == repr(carefully(body))


@pytest.mark.parametrize(("bodies", "least"), [(plainly_written(), 0.2), (almost_json.map(encoded), 0.05)])
def test_many_of_the_bodies_that_are_compared_are_read_quickly(bodies, least):
    quickly = []

    @settings(derandomize=True, database=None)
    @given(bodies)
    def read(body):
        quickly.append(plain(body) is not None)

    read()

    assert sum(quickly) >= least * len(quickly)
