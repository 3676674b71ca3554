"""Candidate spellings of an id that was typed or pasted."""

import re

from core.ids import BEGINNING

_AROUND = " \t\r\n\v\f\u00a0\u200b\ufeff\"'`´“”„‘’‚«»"
_BEFORE = _AROUND + "("
_BEHIND = _AROUND + ".,);"
_OURS = re.compile(BEGINNING, re.ASCII)
_WHOLE = 30
"""The length of a Hookfold id in characters."""


def bare(typed: str) -> str:
    """Strips white space, quotes, an opening bracket and trailing punctuation."""
    return typed.lstrip(_BEFORE).rstrip(_BEHIND)


def ours(typed: str) -> str | None:
    """The text as a Hookfold id, or the beginning of one, in lower case; None if it is neither."""
    text = bare(typed).lower()
    return text if _OURS.fullmatch(text) else None


def is_whole(one: str) -> bool:
    """Whether the text from `ours` is a complete id, not only the beginning of one."""
    return len(one) == _WHOLE


def steps(typed: str) -> list[list[str]]:
    """The spellings of a provider's id to try, in steps: the first step that finds anything ends the search.

    The steps: as typed; stripped by `bare`; in lower and in upper case, both in one step, since either may be meant.
    """
    text = bare(typed)
    cases = [one for one in (text.lower(), text.upper()) if len(one) == len(text)]
    found: list[list[str]] = []
    for step in ([typed.strip()], [text], cases):
        new = [one for one in dict.fromkeys(step) if one and not any(one in before for before in found)]
        found += [new] if new else []
    return found
