"""What does not come is told in the log: once for a silence, once for a burst."""

from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.sql import Reads
from tests.support.house import NOON, SECOND, House, start, wms
from wiring.monitor import Monitor

DAY = 86_400 * SECOND


class Clock:
    now = NOON

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def monitor(house: House, clock: Clock) -> Iterator[Monitor]:
    found = Monitor(Reads(house.engine), house.code, clock, every=3_600)
    yield found
    found.close()


def looked(monitor: Monitor) -> list[dict[str, Any]]:
    with capture_logs() as lines:
        monitor.look()
    names = ("event", "source", "ever_heard", "what", "count")
    return [{name: line[name] for name in names if name in line} for line in lines]


def test_a_source_that_fell_silent_is_told_once(house: House, monitor: Monitor, clock: Clock):
    house.send("clinic", wms("s", 0))
    assert looked(monitor) == []

    clock.now += DAY + SECOND
    assert silent(looked(monitor)) == {"clinic": True} | dict.fromkeys(house.code.sources.keys() - {"clinic"}, False)
    assert looked(monitor) == []


def test_a_source_with_a_time_of_its_own_is_silent_after_that(house: House, monitor: Monitor, clock: Clock):
    house.code.sources["clinic"].silent_after = 3_600 * SECOND
    for source, message in (("clinic", wms("s", 0)), ("captions", start("ann"))):
        house.send(source, message)
    clock.now += 3_600 * SECOND
    assert looked(monitor) == []

    clock.now += SECOND

    assert silent(looked(monitor)) == {"clinic": True}
    health = house.get("/v1/overview", now="2023-11-14T23:13:21Z")["derived"]["sources"]
    told = {one["source"]: (one["derived"]["silent"], one["derived"]["silent_after_s"]) for one in health}
    assert (told["clinic"], told["captions"]) == ((True, 3_600), (False, 86_400))
    completeness = house.get("/v1/audit/completeness", now="2023-11-14T23:13:21Z")["sources"]
    assert {one["source"] for one in completeness if one["derived"]["silent"]} >= {"clinic"}
    metrics = house.client.get("/metrics").get_data(as_text=True)
    assert 'hookfold_source_silent_after_seconds{source="clinic"} 3600.0' in metrics


def silent(lines: list[dict[str, Any]]) -> dict[str, bool]:
    """The sources of which nothing came, and whether anything ever did."""
    assert {line["event"] for line in lines} == {"source_silent"}
    return {line["source"]: line["ever_heard"] for line in lines}


def test_a_burst_is_told_once_and_again_when_it_has_doubled(house: House, monitor: Monitor, clock: Clock):
    def acknowledge(count: int) -> None:
        for _ in range(count):
            name = f"a-{house.api.reads.head()}"
            house.tell(source="energy", key=name, action_id=name, state="acknowledged", occurred_at=NOON)

    clock.now += 3_600 * SECOND
    acknowledge(2)
    assert looked(monitor) == [{"event": "due", "source": "energy", "what": "overdue", "count": 2}]
    acknowledge(1)
    assert looked(monitor) == []
    acknowledge(1)
    assert looked(monitor) == [{"event": "due", "source": "energy", "what": "overdue", "count": 4}]
