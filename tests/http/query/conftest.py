"""A house for every test of the query API."""

from collections.abc import Iterator

import pytest

from tests.support.house import House


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    """On SQLite and on PostgreSQL."""
    made = House(database_url)
    yield made
    made.close()


@pytest.fixture
def one_house(sqlite_url: str) -> Iterator[House]:
    """For what no database has a part in."""
    made = House(sqlite_url)
    yield made
    made.close()
