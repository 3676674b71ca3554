"""The finding of a verification."""

import msgspec


class Discrepancy(msgspec.Struct, frozen=True):
    """The first wrong position, or a range that contains it (`until`: its end).

    `what` is event, payload, node, checkpoint, retraction, or log if something is missing or surplus. `end`: these
    positions are missing at the log's end, and everything before them is intact.
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
