"""Taking fields out of a parsed body: a field that the type requires is there and of its type, or nothing is read."""

import hashlib
from collections.abc import Callable
from typing import Any

from adapters.providers.instants import instant, iso
from adapters.providers.strictjson import loads
from adapters.providers.texts import may_hold_unstorable, safe, usable_id
from core.event import Instant, Note, Reading, Unreadable

Document = dict[str, Any]

LONGEST_WORD = 512
"""Characters of the longest type that is taken."""


class UnusableFieldError(ValueError):
    """A body that cannot be read; the text says which field is wrong and how."""


def read_with(read: Callable[[Document], Reading], body: bytes) -> Reading | Unreadable:
    """What `read` makes of the body, made safe for text columns. Never raises."""
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
    """What stands in a field that the type requires, be it null."""
    if name not in document:
        raise UnusableFieldError(f"{name} is missing")
    return document[name]


def identifier(document: Document, name: str) -> str:
    """The id in a field that the type requires."""
    value = required(document, name)
    if type(value) is str and usable_id(value):
        return value
    raise UnusableFieldError(f"{name} is not an id: a string of 1 to 512 characters, without NUL and lone surrogates")


def identifier_if_any(document: Document, name: str) -> str | None:
    """The id in an optional field; None where it is absent, null or no string. A string that is no id is refused."""
    return identifier(document, name) if type(document.get(name)) is str else None


def text(document: Document, name: str) -> str:
    """The string in a field that the type requires."""
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
    """The instant that a value tells, as ISO 8601 text or a Unix number, and what is odd about it."""
    if type(value) is str:
        return iso_moment(value, name)
    found = instant(value)
    if found is None:
        raise UnusableFieldError(f"{name} is not a time")
    return found, ()


def iso_moment(value: object, name: str) -> tuple[Instant, tuple[Note, ...]]:
    """The instant of ISO 8601 text; without a zone it is read as UTC, and a note says so."""
    found = iso(value) if type(value) is str else None
    if found is None:
        raise UnusableFieldError(f"{name} is not an ISO 8601 time")
    at, has_zone = found
    return at, () if has_zone else (Note("clock_skew", f"{name} names no zone: read as UTC"),)


def renamed(document: Document, names: dict[str, str]) -> Document:
    """The fields that are there and not null, under our names: {sent: ours}."""
    return {ours: document[sent] for sent, ours in names.items() if document.get(sent) is not None}


def unknown_type(word: str) -> tuple[Note, ...]:
    """The note on a type that the provider does not document."""
    return (Note("unknown_type", f"no documented event has the type {word[:80]!r}"),)


def body_identity(body: bytes) -> bytes:
    """The idempotency key of what nothing else identifies."""
    return b"body:" + hashlib.sha256(body).digest()
