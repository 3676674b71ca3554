"""Wording of messages for people."""

import re


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 stream waits`, `2 streams wait`. `several` is the plural; by default `one` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


OF_ANOTHER = "of another source"
"""The end of a hint that names another source."""

_BEGINS_FORMULA = re.compile("^(?=[=+\\-@\\t\\r\\n＝＋－＠])|(?<=[;\\t\\r\\n])(?=[=+\\-@＝＋－＠])")
"""Where a spreadsheet begins to compute: at the start of a text, and behind what it may take for a cell's end.

It may take the wide signs for the others.
"""


def uncomputed(text: str) -> str:
    """The text for a spreadsheet's cell: an apostrophe precedes what would be computed as a formula.

    That holds with a comma, a semicolon or a tab as the separator (OWASP, CSV injection).
    """
    return _BEGINS_FORMULA.sub("'", text)
