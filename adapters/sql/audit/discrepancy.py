"""What a verification found."""

import msgspec


class Discrepancy(msgspec.Struct, frozen=True):
    """The first position that is wrong, or the first of those among which it is (`until`: the last of them).

    `what`: event, payload, node, checkpoint, retraction, or log where something is missing or too much.
    `end`: these positions are missing at the log's end, and everything before them is whole.
    """

    position: int
    until: int
    what: str
    why: str
    end: bool = False


class DiscrepancyFound(Exception):
    """Ends a verification."""

    def __init__(self, position: int, what: str, why: str, *, until: int | None = None, end: bool = False) -> None:
        super().__init__(why)
        self.wrong = Discrepancy(position, position if until is None else until, what, why, end)
