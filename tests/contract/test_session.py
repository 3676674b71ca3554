"""What Hookfold relies on in a session with PostgreSQL is set by Hookfold, and what the URL says is done or refused."""

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine

from adapters.sql import Unavailable, migrate, open_engine
from adapters.sql.connections.session import RELIED_ON, Unfit
from tests.support.house import start
from tests.support.logs import Bench, wms
from tests.support.postgres import Postgres
from tests.support.service import running

OTHERWISE = {
    "client_encoding": "LATIN1",
    "array_nulls": "off",
    "standard_conforming_strings": "off",
    "transform_null_equals": "on",
    "bytea_output": "escape",
    "datestyle": "German",
    "intervalstyle": "sql_standard",
    "timezone": "Asia/Tokyo",
    "default_transaction_isolation": "serializable",
    "synchronous_commit": "off",
}
ENVIRONMENT = {
    "PGCLIENTENCODING": "LATIN1",
    "PGTZ": "Asia/Tokyo",
    "PGDATESTYLE": "German",
    "PGOPTIONS": "-c array_nulls=off -c standard_conforming_strings=off -c synchronous_commit=off",
}
WHOSE = {"role": "ALTER ROLE postgres IN DATABASE {} SET {} = '{}'", "database": "ALTER DATABASE {} SET {} = '{}'"}
SESSION = "séance-Ω-1"


@contextmanager
def opened(url: str, **options: Any) -> Iterator[Engine]:
    engine = open_engine(url, **options)
    try:
        yield engine
    finally:
        engine.dispose()


def name_of(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def set_by(url: str, whose: str, settings: Mapping[str, str]) -> None:
    """Defaults for those who connect from now on."""
    with psycopg.connect(url, autocommit=True) as admin:
        for name, value in settings.items():
            admin.execute(WHOSE[whose].format(name_of(url), name, value).encode())


def shown(engine: Engine, name: str) -> str:
    with engine.connect() as connection:
        return str(connection.exec_driver_sql(f"SHOW {name}").scalar_one())


@pytest.mark.parametrize("whose", ["environment", *WHOSE])
def test_defaults_of_others_change_nothing(monkeypatch: pytest.MonkeyPatch, postgresql_url: str, whose: str):
    assert OTHERWISE.keys() == RELIED_ON.keys()
    if whose == "environment":
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
    else:
        set_by(postgresql_url, whose, OTHERWISE)

    with closing(Bench(postgresql_url)) as bench:
        for number in range(3):
            bench.append(bench.entry("clinic", wms(SESSION, number)))
        told = {name: shown(bench.engine, name) for name in RELIED_ON}

    assert told == RELIED_ON
    with psycopg.connect(postgresql_url, client_encoding="UTF8") as plain:
        assert plain.execute("SELECT provider_id FROM streams").fetchall() == [(SESSION,)]


@pytest.mark.parametrize("whose", ["environment", *WHOSE])
def test_an_empty_database_is_migrated_whatever_its_defaults(
    monkeypatch: pytest.MonkeyPatch, empty_postgresql_url: str, whose: str
):
    if whose == "environment":
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(name, value)
    else:
        set_by(empty_postgresql_url, whose, OTHERWISE)

    with opened(empty_postgresql_url) as engine:
        migrate(engine)


@pytest.mark.parametrize("encoding", ["SQL_ASCII", "LATIN1"])
def test_a_database_of_another_encoding_is_refused_with_the_mend(postgres: Postgres, encoding: str):
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as admin:
        name = f"of_{encoding.lower()}"
        admin.execute(f"CREATE DATABASE {name} ENCODING '{encoding}' TEMPLATE template0".encode())
        try:
            with opened(postgres.url(name)) as engine, pytest.raises(Unfit, match=f"{encoding}.*ENCODING 'UTF8'"):
                migrate(engine)
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def test_triggers_that_are_turned_off_for_the_role_are_refused(postgresql_url: str):
    set_by(postgresql_url, "role", {"session_replication_role": "replica"})

    with opened(postgresql_url) as engine, pytest.raises(Unavailable, match="session_replication_role is replica"):
        shown(engine, "timezone")


@pytest.mark.parametrize("whose", ["url", *WHOSE])
def test_a_search_path_that_leads_nowhere_is_refused_by_its_name(empty_postgresql_url: str, whose: str):
    url = empty_postgresql_url
    if whose == "url":
        url += "&options=-csearch_path%3Dnowhere"
    else:
        set_by(url, whose, {"search_path": "nowhere"})

    with opened(url) as engine, pytest.raises(Unfit, match="search_path is nowhere"):
        migrate(engine)


def test_a_log_is_made_in_the_schema_that_the_url_names_and_found_there_again(empty_postgresql_url: str):
    url = f"{empty_postgresql_url}&options=-csearch_path%3D%22of%5C+hooks%22"
    with psycopg.connect(empty_postgresql_url, autocommit=True) as admin:
        admin.execute('CREATE SCHEMA "of hooks"')

        for _ in range(2):
            with opened(url) as engine:
                migrate(engine)

        found = admin.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'events'").fetchall()
    assert found == [("of hooks",)]


def test_a_log_stays_where_it_is_when_a_schema_is_made_that_comes_before(postgresql_url: str):
    with psycopg.connect(postgresql_url, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA postgres")  # "$user", which the path begins with

    with opened(postgresql_url) as engine:
        migrate(engine)

        assert shown(engine, "search_path") == "public"


def test_options_timeouts_and_keepalives_of_the_url_are_honoured(postgresql_url: str):
    said = "&options=-c+statement_timeout%3D7s+-clock_timeout%3D8s&connect_timeout=3&keepalives_idle=77"
    with opened(postgresql_url + said) as engine:
        told = shown(engine, "statement_timeout"), shown(engine, "lock_timeout")
        parameters = _parameters(engine)

    assert told == ("7s", "8s")
    assert parameters["connect_timeout"] == "3"
    assert parameters["keepalives_idle"] == "77"
    assert parameters["keepalives_interval"] == "5"


@pytest.mark.parametrize("said", [None, "url", "environment"])
def test_a_session_has_the_name_of_its_process_unless_the_url_or_the_environment_gives_one(
    monkeypatch: pytest.MonkeyPatch, postgresql_url: str, said: str | None
):
    if said == "environment":
        monkeypatch.setenv("PGAPPNAME", said)
    url = f"{postgresql_url}&application_name=url" if said == "url" else postgresql_url

    with opened(url, name="hookfold-writer") as engine:
        assert shown(engine, "application_name") == (said or "hookfold-writer")


def test_a_session_named_in_the_options_of_the_url_keeps_that_name(postgresql_url: str):
    url = f"{postgresql_url}&options=-c%20application_name%3Dtheirs"

    with opened(url) as engine:
        assert shown(engine, "application_name") == "theirs"


def test_the_sessions_of_a_service_tell_who_writes_and_who_answers(postgresql_url: str, tmp_path: Path):
    with running(postgresql_url, tmp_path) as service, psycopg.connect(postgresql_url, autocommit=True) as admin:
        assert service.send("POST", "/in/captions", json.dumps(start("ann")).encode()).status == 200
        assert service.send("GET", "/v1/overview").status == 200
        named = admin.execute("SELECT application_name FROM pg_stat_activity WHERE datname = current_database()")
        names = {name for (name,) in named.fetchall()}

    assert names >= {"hookfold-writer", "hookfold-server"}


def test_a_session_of_a_command_is_named_hookfold(postgresql_url: str):
    with opened(postgresql_url) as engine:
        assert shown(engine, "application_name") == "hookfold"


def test_the_timeout_of_a_file_is_honoured(tmp_path: Path):
    with opened(f"sqlite:///{tmp_path / 'x.db'}?timeout=9") as engine, engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one() == 9_000


def _parameters(engine: Engine) -> dict[str, Any]:
    with closing(engine.raw_connection()) as connection:
        driver: Any = connection.driver_connection
        return dict(driver.info.get_parameters())
