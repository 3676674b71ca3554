"""What a verification found."""

import msgspec


class Discrepancy(msgspec.Struct, frozen=True):
    """The first position that is wrong, or the first of those among which it is (`until`: the last of them).

    `what`: event, payload, node, checkpoint, retraction, or log where something is missing or too much.
    """

    position: int
    until: int
    what: str
    why: str


class DiscrepancyFound(Exception):
    """Ends a verification."""

    def __init__(self, position: int, what: str, why: str, *, until: int | None = None) -> None:
        super().__init__(why)
        self.wrong = Discrepancy(position, position if until is None else until, what, why)
