"""Each filter means the same in SQL, for stored rows, and in Python, for rows folded as of a time."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, literal, select

from adapters.sql import WantedMeasurements, WantedStreams, open_engine
from adapters.sql.database.tables import measurements, projections
from adapters.sql.reads.filters import IN_ORDER, MEASUREMENT_FILTERS, STREAM_FILTERS, Filter, conditions, is_wanted

NUMBERS = st.integers(0, 3)
TEXTS = st.sampled_from(["", "a", "A", "é", "active"])
FILTERS = [
    (table, name, one)
    for table, filters in ((projections, STREAM_FILTERS), (measurements, MEASUREMENT_FILTERS | IN_ORDER))
    for name, one in filters.items()
]
NO_FILTER = {"kind", "fingerprints", "limit", "before"}


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    with open_engine(database_url).connect() as connection:
        yield connection


@pytest.mark.parametrize(("table", "name", "one"), FILTERS, ids=lambda part: part if isinstance(part, str) else "")
def test_a_filter_takes_the_same_rows_in_sql_and_in_python(connection: Connection, table: Any, name: str, one: Filter):
    column = table.c[one.column]
    values = NUMBERS if column.type.python_type is int else TEXTS
    asked = st.lists(values, max_size=3) if name in {"sources", "streams", "measurements", "devices"} else values

    @given(value=values | st.none() if column.nullable else values, wanted=asked)
    @settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
    def same(value: Any, wanted: Any) -> None:
        row = select(literal(value, column.type).label(one.column)).subquery()
        only = type("Wanted", (), {name: wanted})
        in_sql = connection.execute(select(row).where(*conditions({name: one}, row, only))).all()

        assert is_wanted({name: one}, {one.column: value}, only) == (len(in_sql) == 1)

    same()


@pytest.mark.parametrize(("wanted", "filters"), [(WantedStreams, STREAM_FILTERS), (WantedMeasurements, IN_ORDER)])
def test_everything_that_a_list_can_be_asked_for_has_a_filter(wanted: Any, filters: dict[str, Filter]):
    assert {field.name for field in fields(wanted)} - NO_FILTER == set(filters)
