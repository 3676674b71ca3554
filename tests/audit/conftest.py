"""A log to audit for every test, on SQLite and on PostgreSQL."""

from collections.abc import Iterator

import pytest

from tests.support.audited import Audited


@pytest.fixture
def audited(database_url: str) -> Iterator[Audited]:
    made = Audited(database_url)
    yield made
    made.close()
