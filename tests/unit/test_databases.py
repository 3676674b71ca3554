"""The databases that every other test stands on."""

from sqlalchemy import inspect, text

from adapters.sql import open_engine


def test_a_test_gets_a_migrated_database_with_nothing_in_it(database_url):
    engine = open_engine(database_url)

    with engine.connect() as connection:
        rows = connection.execute(text("SELECT count(*) FROM events")).scalar_one()

    engine.dispose()
    assert rows == 0


def test_an_empty_database_has_no_table_at_all(empty_database_url):
    engine = open_engine(empty_database_url)

    tables = inspect(engine).get_table_names()

    engine.dispose()
    assert tables == []


def test_the_postgresql_server_is_off_utc(postgres):
    with postgres.database() as url:
        assert postgres.ask(url, "SHOW timezone") == "Asia/Tokyo"
