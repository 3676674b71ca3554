"""What a scrape finds is what is there now."""

from typing import cast

from adapters.http import Api, SpoolState
from adapters.http.views.gauges import Gauges


class Watched:
    """As much of an Api as spools are asked for through."""

    def __init__(self) -> None:
        self.waiting = [SpoolState("captions", 700, 1_000_000, 2)]

    def spools(self) -> list[SpoolState]:
        return self.waiting

    def clock(self) -> int:
        return 4_000_000


def test_a_spool_that_is_told_no_more_leaves_no_last_value_behind():
    api = Watched()
    gauges = Gauges(cast(Api, api))
    names = [f"hookfold_spool_{name}" for name in ("bytes", "oldest_seconds", "set_aside")]

    gauges.look_at_spools()
    told = [gauges.registry.get_sample_value(name, {"source": "captions"}) for name in names]
    api.waiting = []
    gauges.look_at_spools()

    assert told == [700, 3, 2]
    assert [gauges.registry.get_sample_value(name, {"source": "captions"}) for name in names] == [None] * 3
