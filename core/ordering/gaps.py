"""Numbers of the provider's sequence that are missing: how an anomaly says them, and what it says."""

import re
from typing import NamedTuple

_SAID = re.compile(r"sequence (\d+)(?:-(\d+))? missing", re.ASCII)


class Gap(NamedTuple):
    """Numbers that have not come, both included."""

    first: int
    last: int

    def __str__(self) -> str:
        """`7-9`, or `14`."""
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


def detail_of(gap: Gap) -> str:
    """The detail of an anomaly `gap`."""
    return f"sequence {gap} missing"


def gap_in(detail: str) -> Gap | None:
    """The gap that a detail says; None if it says none."""
    said = _SAID.fullmatch(detail)
    return None if said is None else Gap(int(said[1]), int(said[2] or said[1]))
