"""Plans of replays: what is told of one that ends just now, and how many are kept."""

import threading
from collections.abc import Callable, Iterator

import pytest

from adapters.sql import Plans, Replay
from adapters.sql.replay.plans import KEPT, Plan
from tests.support.house import NOON, House

ROW = "INSERT INTO replays (id, asked_at, machines, status, told_by) VALUES ('{0:03}', {0}, '', 'done', 'nobody')"


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    house = House(database_url)
    yield house
    house.close()


@pytest.mark.parametrize(
    "ask",
    [
        lambda plans, made, _: plans.get(made.id),
        lambda plans, _made, _house: plans.newest()[0],
        lambda plans, made, house: plans.read_from(house.engine).get(made.id),
    ],
    ids=["alone", "in the list", "of a database that follows"],
)
def test_a_plan_whose_work_ends_while_it_is_asked_for_is_told_with_its_outcome(
    house: House, monkeypatch: pytest.MonkeyPatch, ask: Callable[[Plans, Plan, House], Plan]
):
    row_is_read = threading.Event()

    def replay(_: str | None) -> Replay:
        row_is_read.wait(20)
        return Replay(house.engine, house.code, lambda: NOON)

    is_at_work = Plans._is_at_work

    def is_at_work_then(plans: Plans, plan: Plan) -> bool:
        row_is_read.set()
        for thread in threading.enumerate():
            if thread.name == "hookfold-replay":
                thread.join()
        return is_at_work(plans, plan)

    plans = Plans(house.engine, replay, lambda: NOON)
    made = plans.plan([])
    monkeypatch.setattr(Plans, "_is_at_work", is_at_work_then)

    told = ask(plans, made, house)

    assert (told.status, told.error) == ("planned", None)


def test_the_oldest_plan_goes_where_there_is_one_more_than_are_kept(house: House):
    plans = Plans(house.engine, lambda _: Replay(house.engine, house.code, lambda: NOON), lambda: NOON)
    with house.engine.begin() as connection:
        for number in range(KEPT):
            connection.exec_driver_sql(ROW.format(number))

    made = plans.plan([])

    assert {plan.id for plan in plans.newest()} == {made.id, *(f"{number:03}" for number in range(1, KEPT))}
    with house.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM replays").scalar_one() == KEPT
