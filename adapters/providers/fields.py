"""Reads fields of a parsed body. A required field must exist with its type, or the body is unreadable."""

import hashlib
from collections.abc import Callable
from typing import Any

from adapters.providers.instants import instant, iso
from adapters.providers.strictjson import loads
from adapters.providers.texts import may_hold_unstorable, safe, usable_id
from core.event import Instant, Note, Reading, Unreadable

Document = dict[str, Any]

LONGEST_WORD = 512
"""The longest accepted event type in characters."""


class UnusableFieldError(ValueError):
    """A body cannot be read. The message names the field and its fault."""


def read_with(read: Callable[[Document], Reading], body: bytes) -> Reading | Unreadable:
    """The result of `read`, made safe for text columns. Never raises."""
    document = loads(body)
    if isinstance(document, Unreadable):
        return document
    try:
        reading = read(document)
    except UnusableFieldError as error:
        return Unreadable(str(error))
    if may_hold_unstorable(body):
        reading.type = safe(reading.type)
        reading.data = safe(reading.data)
    return reading


def required(document: Document, name: str) -> Any:
    """The value of a required field, which may be null."""
    if name not in document:
        raise UnusableFieldError(f"{name} is missing")
    return document[name]


def identifier(document: Document, name: str) -> str:
    """The id in a required field."""
    value = required(document, name)
    if type(value) is str and usable_id(value):
        return value
    raise UnusableFieldError(f"{name} is not an id: a string of 1 to 512 characters, without NUL and lone surrogates")


def identifier_if_any(document: Document, name: str) -> str | None:
    """The id in an optional field; None if it is absent, null or not a string. An invalid id is refused."""
    return identifier(document, name) if type(document.get(name)) is str else None


def text(document: Document, name: str) -> str:
    """The string in a required field."""
    value = required(document, name)
    if type(value) is not str:
        raise UnusableFieldError(f"{name} is not a string")
    return value


def type_word(document: Document, name: str) -> str:
    """The event's type: a string of at most 512 characters."""
    value = text(document, name)
    if len(value) > LONGEST_WORD:
        raise UnusableFieldError(f"{name} is longer than {LONGEST_WORD} characters")
    return value


def moment(value: object, name: str) -> tuple[Instant, tuple[Note, ...]]:
    """The instant of ISO 8601 text or a Unix number, with notes on irregularities."""
    if type(value) is str:
        return iso_moment(value, name)
    found = instant(value)
    if found is None:
        raise UnusableFieldError(f"{name} is not a time")
    return found, ()


def iso_moment(value: object, name: str) -> tuple[Instant, tuple[Note, ...]]:
    """The instant of ISO 8601 text. Without a zone it is read as UTC, with a note."""
    found = iso(value) if type(value) is str else None
    if found is None:
        raise UnusableFieldError(f"{name} is not an ISO 8601 time")
    at, has_zone = found
    return at, () if has_zone else (Note("clock_skew", f"{name} names no zone: read as UTC"),)


def renamed(document: Document, names: dict[str, str]) -> Document:
    """The fields that are not null, under our names. `names` maps sent names to ours."""
    return {ours: document[sent] for sent, ours in names.items() if document.get(sent) is not None}


def unknown_type(word: str) -> tuple[Note, ...]:
    """The note on an undocumented type."""
    return (Note("unknown_type", f"no documented event has the type {word[:80]!r}"),)


def body_identity(body: bytes) -> bytes:
    """The idempotency key of a body without other identification."""
    return b"body:" + hashlib.sha256(body).digest()
