"""The writer's own connection, and what it finds stored that it cannot go on from."""

import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url, text

from adapters.sql import migrate, open_engine
from tests.support.logs import Bench, wms
from tests.support.postgres import Postgres

STARTED = ["WMS_LOADED", "CONFIGURATION_LOADED", "CAMERA_PERMISSION_GRANTED", "CAMERA_STARTED", "MEASUREMENT_STARTED"]
MEASURED = "SELECT measurement_id, state FROM measurements ORDER BY opened"


def send(bench: Bench, *events: str, first: int = 0, **payload: Any) -> list[str]:
    """One session's events; their verdicts."""
    entries = [
        bench.entry("clinic", wms("s1", number, event, **payload)) for number, event in enumerate(events, start=first)
    ]
    return [bench.append(entry).verdict for entry in entries]


def test_a_role_that_may_not_make_temporary_types_appends_all_the_same(postgresql_url: str):
    url = make_url(postgresql_url)
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute("DROP ROLE IF EXISTS plain")
        admin.execute("CREATE ROLE plain LOGIN")
        admin.execute(f'REVOKE TEMPORARY ON DATABASE "{url.database}" FROM PUBLIC'.encode())
        admin.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO plain")
    bench = Bench(url.set(username="plain").render_as_string())

    verdicts = send(bench, *STARTED)

    assert verdicts == ["new"] * len(STARTED)
    assert bench.rows(MEASURED) == [(None, "started")]
    bench.close()
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute("DROP OWNED BY plain")
        admin.execute("DROP ROLE plain")


def test_where_citus_is_rows_travel_by_columns_and_no_plan_is_made_without_values(
    postgres: Postgres, postgresql_url: str
):
    postgres.create_extension("citus", postgresql_url)
    with closing(Bench(postgresql_url)) as bench:
        verdicts = send(bench, *STARTED)

        settled = of_session(bench)

        assert (verdicts, settled) == (["new"] * len(STARTED), ("auto", 0))
        assert bench.rows(MEASURED) == [(None, "started")]


def test_elsewhere_rows_travel_as_composites_and_a_plan_is_made_once(postgresql_url: str):
    with closing(Bench(postgresql_url)) as bench:
        send(bench, *STARTED)

        mode, types = of_session(bench)

    assert mode == "force_generic_plan"
    assert types > 0


def of_session(bench: Bench) -> tuple[str, int]:
    """How the writer's session plans, and how many types it has made."""

    def ask(cursor: Any, _position: int) -> tuple[str, int]:
        cursor.execute(
            "SELECT current_setting('plan_cache_mode'), count(*) FROM pg_type WHERE typnamespace = pg_my_temp_schema()"
        )
        mode, types = cursor.fetchone()
        return mode, types

    return bench.log.append_with(bench.entry("clinic", wms("asked", 0)), ask)[1]


@pytest.mark.parametrize("snapshot", [b"", b"\xc1", b"\x93"])
def test_a_fold_that_cannot_be_taken_up_is_made_anew_with_all_its_rows(database_url: str, snapshot: bytes):
    bench = Bench(database_url)
    send(bench, *STARTED)
    with bench.engine.begin() as connection:
        connection.execute(text("UPDATE projections SET snapshot = :snapshot"), {"snapshot": snapshot})
        connection.execute(text("UPDATE measurements SET measurement = 'mea_of_nobody', state = 'lost'"))
    bench.log._projector.cache.forget()

    send(bench, "MEASUREMENT_CREATED", first=len(STARTED), measurementId="m1")

    assert bench.rows(MEASURED) == [("m1", "created")]
    assert bench.rows("SELECT state FROM projections") == [("created",)]
    bench.close()


def test_a_measurement_is_stored_once_when_it_is_given_its_id(database_url: str):
    bench = Bench(database_url)
    send(bench, *STARTED)

    send(bench, "MEASUREMENT_CREATED", first=len(STARTED), measurementId="m1")

    assert bench.rows(MEASURED) == [("m1", "created")]
    bench.close()


def test_a_new_database_file_is_for_its_owner_alone(tmp_path: Path):
    engine = open_engine(f"sqlite:///{tmp_path}/deep/log.db")

    migrate(engine)

    modes = {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").iterdir()}
    engine.dispose()
    assert modes == {0o600}
