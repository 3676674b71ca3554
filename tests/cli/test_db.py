"""`hookfold db`."""

import json
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

import app
from adapters.cli import command_line
from tests.support.house import House, wms


@pytest.fixture
def run_all(elsewhere: Path) -> Callable[..., Result]:
    """The whole command line."""
    line = command_line(app.commands())
    return lambda *words: CliRunner().invoke(line, words)


def open_log(url: str) -> closing[House]:
    return closing(House(url))


def test_an_empty_database_is_behind_and_upgrade_mends_it(run, empty_database_url):
    before = run("db", "status", "--database", empty_database_url)
    run("db", "upgrade", "--database", empty_database_url)
    after = run("db", "status", "--database", empty_database_url)

    assert (before.exit_code, after.exit_code) == (1, 0)


def test_the_status_is_there_for_programs_too(run, database_url):
    result = run("db", "status", "--database", database_url, "--json")

    status = json.loads(result.stdout)
    assert status["current"] == status["newest"] is not None


def test_an_upgrade_tells_programs_the_same(run, empty_database_url):
    upgraded = run("db", "upgrade", "--database", empty_database_url, "--json")

    assert upgraded.stdout == run("db", "status", "--database", empty_database_url, "--json").stdout
    assert json.loads(upgraded.stdout)["current"]


def test_a_database_that_is_not_there_is_told_in_a_line(run, elsewhere):
    (elsewhere / "file").write_text("not a folder")

    result = run("db", "status", "--database", f"sqlite:///{elsewhere}/file/hookfold.db")

    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1


def test_a_living_database_is_copied_and_the_copy_is_whole(run_all, sqlite_url, elsewhere):
    with open_log(sqlite_url) as log:
        log.send("clinic", wms("scan", 0))
        copied = run_all("db", "backup", "copy.db", "--database", sqlite_url)
        log.send("clinic", wms("scan", 1))

    copy = f"sqlite:///{elsewhere}/copy.db"
    assert copied.exit_code == 0, copied.output
    assert (elsewhere / "copy.db").stat().st_mode & 0o077 == 0
    assert run_all("db", "check", "--database", copy).exit_code == 0
    with open_log(copy) as log:
        assert log.api.reads.head() == 1
    assert sorted(path.name for path in elsewhere.glob("*.part")) == []


def test_no_file_is_overwritten_and_postgresql_has_its_own_copies(run_all, sqlite_url, postgresql_url, elsewhere):
    (elsewhere / "copy.db").write_text("kept")

    taken = run_all("db", "backup", "copy.db", "--database", sqlite_url)
    server = run_all("db", "backup", "other.db", "--database", postgresql_url)

    assert (taken.exit_code, (elsewhere / "copy.db").read_text()) == (2, "kept")
    assert (server.exit_code, "pg_dump" in server.stderr) == (1, True)


def test_a_database_that_lost_its_end_or_its_triggers_is_told(run_all, database_url):
    with open_log(database_url) as log, log.engine.begin() as connection:
        name = "events_refuse_delete" if connection.dialect.name == "sqlite" else "events_refuse_change ON events"
        connection.execute(text(f"DROP TRIGGER {name}"))
        connection.execute(text("INSERT INTO checkpoints (number, size, note) VALUES (1, 7, :note)"), {"note": b""})

    checked = run_all("db", "check", "--database", database_url)

    assert checked.exit_code == 1
    assert "is gone or disabled" in checked.stdout
    assert "signed over 7 events, and the log ends at 0" in checked.stdout
    assert len(json.loads(run_all("db", "check", "--json", "--database", database_url).stdout)["faults"]) == 2


def test_a_whole_database_has_no_fault(run_all, database_url, empty_database_url):
    assert run_all("db", "check", "--database", database_url).exit_code == 0
    assert run_all("db", "check", "--database", empty_database_url).exit_code == 1
