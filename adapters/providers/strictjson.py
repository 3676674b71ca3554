"""JSON without leniency: what two readers could understand in two ways is refused.

RFC 8259, section 4 leaves repeated names open, section 6 the range of numbers; here both are an answer, not a guess.
The nesting limit is ours and fixed, so that a body reads the same however deep the caller's stack is.
"""

import json
import re
from typing import Any, Never, TypeVar

import msgspec

from core.event import Unreadable

DEEPEST = 64
"""How many arrays and objects may stand inside one another."""

_INT64 = range(-(2**63), 2**63)
_SHAPE = bytes.maketrans(b"0123456789{", b"0000000000[")
_LONG_INTEGER = b"0" * 19
"""What has as many digits as the first integer beyond 64 bits, in a body's shape."""

Shape = TypeVar("Shape")

_plainly = msgspec.json.Decoder(dict[str, Any])
_written = msgspec.json.encode
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_BRACKET = re.compile(rb"[\[\]{}]")


class _RefusedError(ValueError):
    """A body that the parser would let through."""


def loads(body: bytes) -> dict[str, Any] | Unreadable:
    """The object that `body` holds. Never raises: what is not one strict JSON object is Unreadable, with the reason."""
    document = plain(body)
    return carefully(body) if document is None else document


def plain(body: bytes) -> dict[str, Any] | None:
    """The object of a body that is, byte for byte, how its only meaning is written: most senders' bodies are.

    None: look carefully.
    """
    return as_written(_plainly, body)


def as_written(decoder: msgspec.json.Decoder[Shape], body: bytes) -> Shape | None:
    """What a decoder makes of a body that is, byte for byte, how that is written; else None.

    A name that stood twice, a float beyond the range or bytes that are no UTF-8 would not be written so; nor would, of
    a Struct, a name that it has not got, or names in another order.
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
    """The same for every body."""
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
