"""A question takes no longer than the service gives one, and whoever comes after it finds the database as it was."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text

from adapters.sql import Reads, TooLong, WantedEvents, open_engine, time_limit
from tests.support.house import House, wms

FOR_EVER = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(3600)",
}


class Slow(Reads):
    """Reads of a database that is asked something without an end."""

    def page_of_events(self, _: WantedEvents) -> tuple[list[Any], int | None]:
        return self._rows(text(FOR_EVER[self._engine.dialect.name])), None


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = open_engine(database_url, pool_size=1)
    yield made
    made.dispose()


def test_a_statement_without_an_end_is_stopped(engine: Engine):
    with pytest.raises(TooLong), time_limit(0.05):
        Slow(engine).page_of_events(WantedEvents(after=0, limit=1))


def test_no_statement_begins_behind_the_limit(engine: Engine):
    with pytest.raises(TooLong), time_limit(-1):
        Reads(engine).head()


def test_who_has_no_limit_is_not_held_to_that_of_the_one_before(engine: Engine):
    with time_limit(60):
        Reads(engine).head()
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            assert connection.scalar(text("SHOW statement_timeout")) == "0"
        else:
            assert (
                connection.scalar(text(f"{FOR_EVER['sqlite'].replace('FROM n)', 'FROM n LIMIT 500000)')}")) == 500_000
            )


def test_whoever_asks_too_much_is_told_why(house: House):
    house.send("clinic", wms("scan", 0))
    slow: Any = House(str(house.engine.url.render_as_string(hide_password=False)), reads=Slow(house.engine), limit=0.05)

    problem = slow.problem("/v1/events", status=503)
    after = house.get("/v1/sessions")

    assert problem["detail"].startswith("the question took longer")
    assert len(after["data"]) == 1
    slow.close()
