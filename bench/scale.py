"""How much a run measures: enough for figures, or just enough to see that everything works."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Scale:
    """`seconds` lasts a slice of load. `small` and `large` are events in the log, `asked` questions of a kind.

    `live` is the number of streams that are open at a time, `long` that of events in one stream; `followers` follow
    while `followed` events a second come in.
    """

    rounds: int
    seconds: float
    connections: tuple[int, ...]
    callers: tuple[int, ...]
    workers: tuple[int, ...]
    small: int
    large: int
    asked: int
    live: int
    long: int
    followers: int
    followed: int


FULL = Scale(
    rounds=5,
    seconds=0.8,
    connections=(1, 16, 64),
    callers=(1, 16),
    workers=(1, 2),
    small=100_000,
    large=1_000_000,
    asked=400,
    live=100_000,
    long=100_000,
    followers=1_000,
    followed=500,
)
LARGE = Scale(**(vars(FULL) | {"large": 10_000_000}))
QUICK = Scale(
    rounds=2,
    seconds=0.4,
    connections=(16,),
    callers=(16,),
    workers=(1, 2),
    small=4_000,
    large=16_000,
    asked=60,
    live=20_000,
    long=10_000,
    followers=200,
    followed=200,
)
TINY = Scale(
    rounds=1,
    seconds=0.1,
    connections=(4,),
    callers=(2,),
    workers=(1,),
    small=640,
    large=1_600,
    asked=5,
    live=500,
    long=640,
    followers=8,
    followed=100,
)
"""For the tests."""
