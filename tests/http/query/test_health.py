"""Health, readiness, metrics."""

import re

import pytest

from adapters.sql import open_engine, revision
from core.folding.fold import MACHINES
from tests.support.house import House, pushed, start, wms


def test_the_process_answers(one_house: House):
    assert one_house.get("/healthz") == {"status": "ok"}


def test_a_migrated_database_is_ready_and_tells_how_far_it_is(house: House):
    house.send("clinic", wms("scan", 0))

    ready = house.get("/readyz")

    _, newest = revision(house.engine)
    folding = ready.pop("folding")
    assert ready == {"status": "ok", "database": "ok", "migrations": newest, "position": 1, "lag": 0}
    assert {(one["own"], one["status"], one["waiting"]) for one in folding} == {(True, "serving", 0)}
    assert {one["machine"] for one in folding} == set(MACHINES)


def test_a_database_without_migrations_is_not_ready(empty_database_url):
    house = House(empty_database_url)

    problem = house.problem("/readyz", status=503)

    assert "migration" in problem["detail"]
    house.close()


@pytest.mark.parametrize(("revisions", "status"), [(["9999"], 200), (["0001", "9999"], 503)])
def test_a_service_stays_ready_when_a_newer_release_migrates_its_database(house: House, revisions, status):
    with house.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM alembic_version")
        for one in revisions:
            connection.exec_driver_sql(f"INSERT INTO alembic_version VALUES ('{one}')")

    ready = house.client.get("/readyz")

    assert ready.status_code == status
    assert ready.json is not None
    assert ready.json.get("migrations", "9999") == "9999"


def test_a_database_that_is_away_is_told_as_busy_and_the_process_lives(sqlite_url, tmp_path):
    house = House(sqlite_url)
    house.app.config["TESTING"] = True
    house.api.reads._engine = open_engine(f"sqlite:///{tmp_path}")  # a folder is no database

    for path in ["/readyz", "/v1/sessions", "/v1/events", "/v1/deliveries", "/v1/events/1"]:
        answer = house.client.get(path)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert answer.content_type == "application/problem+json"
    assert house.client.get("/healthz").status_code == 200
    assert b"hookfold_log_position NaN" in house.client.get("/metrics").data
    house.close()


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_nobody_keeps_what_was_true_a_moment_ago(one_house: House, path):
    assert one_house.client.get(path).headers["Cache-Control"] == "no-store"


def test_metrics_count_by_route_and_hold_nothing_personal(house: House):
    house.send("captions", start("ann@example.com"))
    house.send("energy", pushed("a-1"), key="m-1")
    (session,) = house.get("/v1/sessions", user_id="ann@example.com")["data"]
    house.get(f"/v1/sessions/{session['id']}")
    house.client.get("/nowhere/ann@example.com")
    house.client.open("/v1/sessions", method="BREW")

    answer = house.client.get("/metrics")

    text = answer.get_data(as_text=True)
    assert answer.content_type.startswith("text/plain")
    assert 'hookfold_http_requests_total{method="GET",route="/v1/sessions/<id>",status="200"} 1.0' in text
    assert 'hookfold_http_requests_total{method="GET",route="none",status="404"} 1.0' in text
    assert 'method="other"' in text
    assert "hookfold_log_position 2.0" in text
    assert re.search(r"^hookfold_wal_bytes [0-9.e+]+$", text, re.MULTILINE)
    assert "ann" not in text
    assert session["id"] not in text
