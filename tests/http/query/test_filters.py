"""Each filter means the same in SQL, for stored rows, and in Python, for rows folded as of a time."""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, literal, select

from adapters.sql import WantedMeasurements, WantedStreams, open_engine
from adapters.sql.database.tables import MAY_BE_DUE, measurements, projections
from adapters.sql.queries.filters import (
    IN_LIST_ORDER,
    MEASUREMENT_FILTERS,
    STREAM_FILTERS,
    Due,
    DueIf,
    Filter,
    conditions,
    is_wanted,
)
from core.views import derived

NUMBERS = st.integers(0, 3)
TEXTS = st.sampled_from(["", "a", "A", "é", "active"])
FILTERS = [
    (table, name, one)
    for table, filters in ((projections, STREAM_FILTERS), (measurements, MEASUREMENT_FILTERS | IN_LIST_ORDER))
    for name, one in filters.items()
]
LISTS = {"sources", "streams", "measurements", "devices", "begun"}
BOUNDS = {"left"}
NO_FILTER = {"kind", "fingerprints", "limit", "before", "floor", "due"}
"""What is due has a property of its own."""
STATES = st.sampled_from(["unknown", "scanning", "completed"])
WAYS = st.builds(
    DueIf,
    st.sampled_from(["action", "measurement"]),
    st.none() | TEXTS,
    st.lists(STATES, min_size=1, max_size=2).map(tuple),
    st.sampled_from(["first_at", "last_at"]),
    NUMBERS,
)


@pytest.fixture
def connection(database_url: str) -> Iterator[Connection]:
    engine = open_engine(database_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_filter_takes_the_same_rows_in_sql_and_in_python(connection: Connection):
    @given(st.sampled_from(FILTERS), st.data())
    @settings(max_examples=120, deadline=None)
    def same(chosen: tuple[Any, str, Filter], data: st.DataObject) -> None:
        table, name, one = chosen
        column = table.c[one.column]
        values = NUMBERS if column.type.python_type is int else TEXTS
        value = data.draw(values | st.none() if column.nullable else values)
        asked = st.tuples(values, values) if name in BOUNDS else values
        wanted = type("Wanted", (), {name: data.draw(st.lists(values, max_size=3) if name in LISTS else asked)})
        row = select(literal(value, column.type).label(one.column)).subquery()

        in_sql = connection.execute(select(row).where(*conditions({name: one}, row, wanted))).all()

        assert is_wanted({name: one}, {one.column: value}, wanted) == (len(in_sql) == 1)

    same()


@pytest.mark.parametrize(("wanted", "filters"), [(WantedStreams, STREAM_FILTERS), (WantedMeasurements, IN_LIST_ORDER)])
def test_everything_that_a_list_can_be_asked_for_has_a_filter(wanted: Any, filters: dict[str, Filter]):
    assert {field.name for field in fields(wanted)} - NO_FILTER == set(filters)


def test_what_is_due_is_the_same_in_sql_and_in_python(connection: Connection):
    @given(st.lists(WAYS, max_size=3), st.booleans(), st.data())
    @settings(max_examples=120, deadline=None)
    def same(ways: list[DueIf], wanted: bool, data: st.DataObject) -> None:
        drawn = {"machine": st.sampled_from(["action", "measurement"]), "source": TEXTS, "state": STATES}
        columns: dict[str, Any] = {name: data.draw(values) for name, values in drawn.items()}
        columns |= {name: data.draw(NUMBERS | st.none()) for name in ("first_at", "last_at")}
        row = select(*(literal(columns[name], projections.c[name].type).label(name) for name in columns))
        table, asked = row.subquery("projections"), Due(tuple(ways), wanted)

        in_sql = connection.execute(select(table).where(asked.condition(table))).all()

        may_be = columns["state"] in derived.MAY_BE_DUE or not wanted
        assert (asked.matches(columns) and may_be) == (len(in_sql) == 1)

    same()


def test_the_index_of_what_may_be_due_has_every_state_with_a_deadline():
    assert set(re.findall(r"'(\w+)'", MAY_BE_DUE)) == derived.MAY_BE_DUE
