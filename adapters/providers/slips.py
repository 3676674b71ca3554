"""Finds misspelt field names, such as `action_id` for the documented `actionId`.

Undocumented names are never read, since that would be a guess, but the sender can be told.
"""

import json
from collections.abc import Callable, Iterator

from adapters.providers.fields import Document
from adapters.providers.port import Provider
from adapters.providers.strictjson import loads
from core.event import Reading, Unreadable

Slip = tuple[str, str]
"""The sent name and the documented one."""

_INSIDE = ("data", "payload")
"""Fields that contain further documented fields."""
_LONGEST = 64


def spelling_hint(provider: type[Provider], read: Callable[[bytes], Reading | Unreadable], body: bytes) -> str | None:
    """Returns a hint that names the misspelt fields and types with their documented spellings, and tells how the body
    would be read with these. Returns None if none is misspelt.

    A misspelt name differs from a documented one only in case and separators.
    """
    document = loads(body)
    if isinstance(document, Unreadable):
        return None
    names, types = _plain(provider.names), _plain(provider.types)
    slips = [slip for place in _places(document) for slip in _rename(place, names)]
    slips += [slip for place in _places(document) for slip in _retype(place, provider, types)]
    if not slips:
        return None
    told = "rename " + ", ".join(f"`{sent}` to `{meant}`" for sent, meant in dict.fromkeys(slips))
    again = read(json.dumps(document).encode())
    if isinstance(again, Reading) and again.known:
        return f"{told}: it would then be read as {again.type}"
    if isinstance(again, Unreadable) and again.reason.startswith(tuple(f"{meant} " for _, meant in slips)):
        return f"{told}; but {again.reason}"  # the renamed field has a fault of its own
    return told


def _places(document: Document) -> Iterator[Document]:
    yield document
    for name in _INSIDE:
        if type(document.get(name)) is dict:
            yield document[name]


def _rename(place: Document, names: dict[str, str]) -> list[Slip]:
    """Renames fields to the documented names unless these exist already."""
    slips = []
    for sent in list(place):
        name = names.get(_letters(sent))
        if name is not None and name != sent and place.get(name) is None:
            place[name] = place.pop(sent)
            slips.append((sent, name))
    return slips


def _retype(place: Document, provider: type[Provider], types: dict[str, str]) -> list[Slip]:
    slips = []
    for field in provider.type_fields:
        sent = place.get(field)
        word = types.get(_letters(sent)) if type(sent) is str else None
        if type(sent) is str and word is not None and word != sent:
            place[field] = word
            slips.append((sent, word))
    return slips


def _plain(words: frozenset[str]) -> dict[str, str]:
    return {_letters(word): word for word in words}


def _letters(word: str) -> str:
    """A word without case and separators; empty if it is no plausible misspelling."""
    return word.translate(_SEPARATORS).lower() if len(word) <= _LONGEST and word.isascii() else ""


_SEPARATORS = str.maketrans("", "", "_-. ")
