"""Wording of messages for people."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 stream waits`, `2 streams wait`. `several` is the plural; by default `one` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


OF_ANOTHER = "of another source"
"""The end of a hint that names another source."""
