"""Text for database columns: ids must fit unchanged; in other strings, unstorable characters are escaped."""

import re
from typing import Any

LONGEST_ID = 512
"""The longest accepted id in characters (code points)."""

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_WRITTEN_OUT = re.compile(r"[\x00\ud800-\udfff]|\\(?=u(?:0000|005c|d[89a-f][0-9a-f]{2}))")


def usable_id(value: str) -> bool:
    """Whether the string has 1 to 512 characters without NUL and lone surrogates. Nothing is normalised."""
    if not 0 < len(value) <= LONGEST_ID:
        return False
    return "\0" not in value if value.isascii() else _UNSTORABLE.search(value) is None


def may_hold_unstorable(body: bytes) -> bool:
    r"""Whether a strict JSON body may contain NUL or a lone surrogate, which it can only write as `\u....`."""
    return b"\\" in body and b"\\u" in body  # searching for one byte costs almost nothing


def safe(value: Any) -> Any:
    r"""Parsed JSON with every NUL and lone surrogate of its strings and names as the text `\u0000`, `\ud800`.

    A backslash that was sent in front of such a text is `\u005c`, so that no two texts become one: whoever turns every
    `\u0000`, `\u005c` and `\ud800` to `\udfff` back into its character has what was sent.
    """
    if type(value) is str:
        return _WRITTEN_OUT.sub(_written_out, value)
    if type(value) is dict:
        return {safe(name): safe(inner) for name, inner in value.items()}
    if type(value) is list:
        return [safe(inner) for inner in value]
    return value


def _written_out(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
