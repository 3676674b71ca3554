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
