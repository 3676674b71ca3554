"""`hookfold db`."""

import json


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
