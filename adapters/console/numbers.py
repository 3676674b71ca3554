"""Counts as pages write them: 1,234. Positions, sequences and status codes are names and stay as they are typed."""

from core import words


def number(count: int) -> str:
    """`1,234`."""
    return f"{count:,}"


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 stream`, `1,234 streams`. `several` is the plural; by default `one` with an s."""
    return f"{number(count)} {words.counted(count, one, several).partition(' ')[2]}"
