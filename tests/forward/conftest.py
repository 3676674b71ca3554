"""A house, and a handler that its front stands before."""

from collections.abc import Iterator

import pytest

from tests.support.handler import Handler, handler
from tests.support.house import House


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    made = House(database_url)
    yield made
    made.close()


@pytest.fixture
def small_house(sqlite_url: str) -> Iterator[House]:
    made = House(sqlite_url)
    yield made
    made.close()


@pytest.fixture
def behind() -> Iterator[Handler]:
    with handler() as made:
        yield made
