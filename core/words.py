"""Words in sentences for people."""


def counted(count: int, one: str, several: str | None = None) -> str:
    """`1 stream waits`, `2 streams wait`. `several`: what stands behind any other number, else `one` with an s."""
    return f"{count} {one if count == 1 else several or f'{one}s'}"


OF_ANOTHER = "of another source"
"""How a hint tells whose secret it is, in front of which it is named."""
