"""How an id may have been meant that was typed, or copied out of a text."""

import re

from core.ids import BEGINNING

_AROUND = " \t\r\n\v\f\u00a0\u200b\ufeff\"'`´“”„‘’‚«»"
_BEFORE = _AROUND + "("
_BEHIND = _AROUND + ".,);"
_OURS = re.compile(BEGINNING, re.ASCII)
_WHOLE = 30
"""The characters of an id of ours."""


def bare(typed: str) -> str:
    """The text without white space and quotes around it, and without what ends a sentence behind it."""
    return typed.lstrip(_BEFORE).rstrip(_BEHIND)


def ours(typed: str) -> str | None:
    """An id of ours, or the beginning of one, as we write it; None where it is none."""
    text = bare(typed).lower()
    return text if _OURS.fullmatch(text) else None


def is_whole(one: str) -> bool:
    """Whether an id of ours is all there."""
    return len(one) == _WHOLE


def steps(typed: str) -> list[list[str]]:
    """The spellings of a provider's id, one step after the other: the first step that finds anything is the answer.

    As typed; without what is around it; in lower and in upper case, both together, because either may be meant.
    """
    text = bare(typed)
    cases = [one for one in (text.lower(), text.upper()) if len(one) == len(text)]
    found: list[list[str]] = []
    for step in ([typed.strip()], [text], cases):
        new = [one for one in dict.fromkeys(step) if one and not any(one in before for before in found)]
        found += [new] if new else []
    return found
