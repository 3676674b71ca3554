"""Wording of messages for people."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 stream waits`, `2 streams wait`. `several` is the plural; by default `one` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


OF_ANOTHER = "of another source"
"""The end of a hint that names another source."""

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""A spreadsheet computes text that begins so. It may take the wide signs for the others."""


def uncomputed(text: str) -> str:
    """The text for a spreadsheet's cell: an apostrophe precedes what would be computed as a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
