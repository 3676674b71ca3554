"""Plans of replays do not add up for ever."""

from collections.abc import Iterator

import pytest

from adapters.sql import Plans, Replay
from adapters.sql.replay.plans import KEPT
from tests.support.house import NOON, House

ROW = "INSERT INTO replays (id, asked_at, machines, status, told_by) VALUES ('{0:03}', {0}, '', 'done', 'nobody')"


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    yield house
    house.close()


def test_the_oldest_plan_goes_where_there_is_one_more_than_are_kept(house: House):
    plans = Plans(house.engine, lambda _: Replay(house.engine, house.code, lambda: NOON), lambda: NOON)
    with house.engine.begin() as connection:
        for number in range(KEPT):
            connection.exec_driver_sql(ROW.format(number))

    made = plans.plan([])

    assert {plan.id for plan in plans.newest()} == {made.id, *(f"{number:03}" for number in range(1, KEPT))}
    with house.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM replays").scalar_one() == KEPT
