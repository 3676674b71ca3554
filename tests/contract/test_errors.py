"""Which errors of a driver mean "not now": what passes by waiting, and nothing else."""

import pytest
from sqlalchemy import create_engine, text

from adapters.sql import Unavailable, open_engine
from adapters.sql.database.errors import is_for_now, our_errors

TOO_MANY = {
    "sqlite": " UNION ALL ".join(["SELECT 1"] * 501),
    "postgresql": f"SELECT {', '.join(['1'] * 1_665)}",
}
"""A statement that is larger than the database takes."""

LOCKS = {
    "sqlite": ("PRAGMA busy_timeout = 1", "ROLLBACK", "BEGIN IMMEDIATE"),
    "postgresql": ("SET lock_timeout = 1", "LOCK TABLE service"),
}
"""What makes a database wait no longer for a lock, and the lock."""


def test_a_statement_that_never_fits_is_not_called_away(database_url: str):
    engine = open_engine(database_url)

    with pytest.raises(Exception) as told, our_errors(), engine.connect() as connection:
        connection.execute(text(TOO_MANY[engine.dialect.name]))

    engine.dispose()
    assert type(told.value).__name__ == "OperationalError"
    assert not isinstance(told.value, Unavailable)


@pytest.mark.parametrize("kind", LOCKS)
def test_what_passes_by_waiting_is(request: pytest.FixtureRequest, kind: str):
    engine = open_engine(request.getfixturevalue(f"{kind}_url"))
    *before, lock = LOCKS[kind]

    with engine.connect() as holder, engine.connect() as connection:
        for one in (holder, connection):
            for statement in before:
                one.exec_driver_sql(statement)
        holder.exec_driver_sql(lock)
        with pytest.raises(Unavailable), our_errors():
            connection.exec_driver_sql(lock)

    engine.dispose()


def test_a_file_that_is_no_database_and_one_that_cannot_be_opened_are_for_now(tmp_path):
    (tmp_path / "no.db").write_bytes(b"no database" * 100)

    for name in ("no.db", "absent/no.db"):
        engine = create_engine(f"sqlite:///{tmp_path / name}")
        with pytest.raises(Exception) as told, engine.connect() as connection:
            connection.exec_driver_sql("SELECT * FROM sqlite_master")
        engine.dispose()
        assert is_for_now(told.value), name
