"""What SQLite does for a statement. It plans without statistics here, so what is shown holds for any size."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from adapters.sql import Due, DueIf, WantedEvents, WantedMeasurements, WantedStreams, open_engine
from adapters.sql.projections import stored_events
from adapters.sql.queries import counts
from adapters.sql.queries.events import list_events
from adapters.sql.queries.streams import list_measurements, list_streams
from adapters.sql.queries.visits import list_visits
from core.clocks import Clocks

FINGERPRINTS = ("one", "two")
Plan = Callable[[Any], list[str]]


@pytest.fixture
def plan(sqlite_url) -> Plan:
    engine = open_engine(sqlite_url)

    def steps(statement: Any) -> list[str]:
        sql = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
        with engine.connect() as connection:
            return [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}")]

    return steps


def streams(**asked: Any) -> Any:
    return list_streams(WantedStreams(kind="session", fingerprints=FINGERPRINTS, limit=21, **asked))


@pytest.mark.parametrize("asked", [{}, {"before": 9}, {"state": "active"}, {"sources": ["a"]}, {"changed_after": 9}])
def test_a_list_is_read_in_its_order(plan: Plan, asked):
    steps = plan(streams(**asked))

    assert "ix_projections_kind_opened" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)


def test_what_is_due_is_found_among_the_few_that_may_be(plan: Plan):
    asked = Due((DueIf("measurement", "clinic", ("scanning",), "first_at", 9),), wanted=True)

    steps = plan(streams(due=[asked]))

    (search,) = (step for step in steps if "projections" in step)
    assert "ix_projections_due (machine=? AND source=?)" in search


@pytest.mark.parametrize(
    ("index", "asked"),
    [
        ("ix_projections_live (machine=?)", {}),
        ("ix_projections_live (machine=? AND opened<?)", {"before": 9}),
        ("ix_projections_due (machine=? AND source=?)", {"sources": ["a", "b"]}),
        ("ix_projections_due (machine=? AND source=? AND opened<?)", {"sources": ["a"], "before": 9}),
        ("ix_projections_user_id", {"user_id": "ann"}),
    ],
)
def test_what_is_due_of_any_source_is_found_without_another_machines_streams(plan: Plan, index, asked):
    ways = (DueIf("measurement", None, ("scanning",), "last_at", 9), DueIf("session", "c", ("active",), "last_at", 9))

    steps = plan(streams(due=[Due(ways[:1], wanted=True), Due(ways, wanted=False)], **asked))

    searches = [step for step in steps if "projections" in step]
    assert searches
    assert all(index in step for step in searches), steps


def test_what_is_counted_is_read_in_the_order_of_an_index_and_no_further_than_the_newest(plan: Plan):
    counted = plan(counts.of_streams("session", FINGERPRINTS, 9))
    scans = plan(counts.of_measurements(FINGERPRINTS, 9))

    assert any("ix_projections_kind_opened" in step for step in counted)
    assert any("ix_measurements_opened" in step for step in scans)


def test_what_was_misread_is_counted_along_the_index_over_that(plan: Plan):
    steps = plan(counts.misread("undecodable"))

    assert any("ix_events_misread (reading=?)" in step for step in steps), steps


def test_visits_and_anomalies_are_read_along_an_index_and_no_further_than_the_newest(plan: Plan):
    visits = plan(list_visits("clinic", ("WMS_LOADED",)))
    older = plan(list_visits("clinic", ("WMS_LOADED",), before=9, clocks=Clocks(5, as_of=7)))
    irregular = plan(counts.of_anomalies("session", FINGERPRINTS))

    assert any("ix_events_source" in step and "opened>?" in step for step in visits), visits
    assert any("ix_events_source" in step and "opened<?" in step for step in older), older
    assert any("ix_projections_anomalous" in step for step in irregular)


@pytest.mark.parametrize(
    ("index", "asked"),
    [
        ("ix_projections_user_id", {"user_id": "ann"}),
        ("ix_projections_anomalous", {"anomaly": 4}),
        ("ix_projections_device", {"devices": ["a", "b"]}),
        ("(source=? AND stream=? AND fingerprint=?)", {"sources": ["a", "b"], "streams": ["s"]}),
        ("(source=? AND stream=? AND fingerprint=?)", {"sources": ["a", "b"], "streams": ["s", "t"]}),
    ],
)
def test_what_is_rare_is_found_by_its_own_index(plan: Plan, index, asked):
    searches = [step for step in plan(streams(**asked)) if "projections" in step]
    assert searches
    assert all(index in step for step in searches)


def test_a_measurement_is_found_by_either_id(plan: Plan):
    def first(**asked: Any) -> str:
        wanted = WantedMeasurements(fingerprints=FINGERPRINTS, limit=21, **asked)
        return plan(list_measurements(wanted))[0]

    assert "ix_measurements_measurement_id" in first(measurement_id="m")
    assert "(source=? AND measurement=? AND fingerprint=?)" in first(sources=["a"], measurements=["m"])
    assert "ix_measurements_opened" in first(before=(9, "m"))


def events(**asked: Any) -> Any:
    return list_events(WantedEvents(**{"after": 9, "limit": 21} | asked))


def test_a_stream_is_read_alone_and_by_position(plan: Plan):
    searches = [step for step in plan(events(streams=[("a", "s"), ("b", "t")])) if step.startswith("SEARCH events")]

    assert searches
    assert all("ix_events_source_opened_position" in step for step in searches)


def test_a_late_event_refolds_its_stream_alone(plan: Plan):
    sql = stored_events._STREAM.format(stored_events.FOLDABLE).replace("?", "'1'")

    assert "ix_events_source_opened_position" in plan(text(sql))[0]


def test_the_feed_starts_where_it_is_asked_to(plan: Plan):
    assert "(position>?)" in plan(events())[0]
    assert "(source=? AND position>?)" in plan(events(sources=["a"]))[0]


def test_a_type_is_looked_for_among_the_events_of_a_page_and_no_others(plan: Plan):
    assert "(position>? AND position<?)" in plan(events(type="t", upto=99))[0]
    assert "(source=? AND position>? AND position<?)" in plan(events(type="t", upto=99, sources=["a"]))[0]


@pytest.mark.parametrize("sources", [None, ["a"], ["a", "b"]])
def test_the_few_misread_events_are_found_among_all_others(plan: Plan, sources: list[str] | None):
    steps = plan(events(sources=sources, reading="undecodable"))

    assert "ix_events_misread (reading=? AND position>?)" in steps[0]
    assert not any("TEMP B-TREE" in step for step in steps)
