"""Strict JSON: refuses whatever two parsers could read differently.

RFC 8259 leaves repeated names (section 4) and the range of numbers (section 6) open; both are refused here. The nesting
limit is fixed, so the result does not depend on the caller's stack depth.
"""

import json
import re
from typing import Any, Never, TypeVar

import msgspec

from core.event import Unreadable

DEEPEST = 64
"""The greatest nesting depth of arrays and objects."""

_INT64 = range(-(2**63), 2**63)
_SHAPE = bytes.maketrans(b"0123456789{", b"0000000000[")
_LONG_INTEGER = b"0" * 19
"""An integer with as many digits as the first one beyond 64 bits, in a body's shape."""

Shape = TypeVar("Shape")

_plainly = msgspec.json.Decoder(dict[str, Any])
_written = msgspec.json.encode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class _RefusedError(ValueError):
    """The parser would accept the body, but we refuse it."""


def loads(body: bytes) -> dict[str, Any] | Unreadable:
    """Parses one strict JSON object. Never raises: anything else is Unreadable, with the reason."""
    document = plain(body)
    return carefully(body) if document is None else document


def plain(body: bytes) -> dict[str, Any] | None:
    """The fast path: the object of a body that equals its own canonical encoding byte for byte, as most do.

    None: use `carefully`.
    """
    return as_written(_plainly, body)


def as_written(decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape | None:
    """The decoded body if encoding it again gives the same bytes; else None.

    That rules out repeated names, floats out of range and invalid UTF-8; for a Struct, also unknown names and another
    order.
    """
    shape = body.translate(_SHAPE)
    if _LONG_INTEGER in shape or shape.count(b"[") > DEEPEST:
        return None
    try:
        document = decoder.decode(body)
    except ValueError:
        return None
    return document if _written(document) == body else None


def carefully(body: bytes) -> dict[str, Any] | Unreadable:
    """The slow path of `loads`, for every body."""
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        return Unreadable(f"not UTF-8 at byte {error.start}")
    if body.count(b"[") + body.count(b"{") > DEEPEST and _too_deep(body):
        return Unreadable(f"nested deeper than {DEEPEST} levels")
    try:
        found = _decode(text)
    except json.JSONDecodeError as error:
        return Unreadable(f"not JSON: {error.msg} at character {error.pos}")
    except _RefusedError as error:
        return Unreadable(str(error))
    return found if type(found) is dict else Unreadable("not a JSON object")


def _too_deep(body: bytes) -> bool:
    depth = 0
    for bracket in _BRACKET.findall(_STRING.sub(b"", body)):
        depth += 1 if bracket in b"[{" else -1
        if depth > DEEPEST:
            return True
    return False


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise _RefusedError("a name stands twice in one object")
    return document


def _integer(digits: str) -> int:
    if len(digits) > 20 or (number := int(digits)) not in _INT64:
        raise _RefusedError("an integer beyond 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if number in _INFINITE:
        raise _RefusedError("a number beyond the range of a float")
    return number


def _constant(name: str) -> Never:
    raise _RefusedError(f"{name} is not a JSON value")


_INFINITE = (float("inf"), float("-inf"))
_decode = json.JSONDecoder(
    object_pairs_hook=_once, parse_int=_integer, parse_float=_float, parse_constant=_constant
).decode
