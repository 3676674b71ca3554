"""`hookfold audit timeline` and `hookfold audit completeness`, as they are typed."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import load, write_template
from adapters.sql import Entry
from core.ids import Ids
from wiring.components import Components
from wiring.opening import open_components

Run = Callable[..., Result]
DAY = 1_700_000_000


@pytest.fixture
def session(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Our id of a session with a hole in it."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", database_url)
    write_template(elsewhere / "hookfold.toml")
    ids = _send([("scan", 0), ("scan", 3)])
    return ids.of("session", "clinic", "scan")


def _send(events: list[tuple[str, int]]) -> Ids:
    """Events by session and number: of these, 3 is the start of a measurement."""
    parts = open_components(load(None, os.environ))
    log = parts.log()
    for name, number in events:
        event = "MEASUREMENT_STARTED" if number == 3 else "WMS_LOADED"
        log.append([_entry(parts, {"sessionId": name, "sequence": number, "event": event, "timestamp": DAY + number})])
    log.close()
    parts.engine.dispose()
    return parts.ids


def _entry(parts: Components, document: dict[str, Any]) -> Entry:
    body, provider = json.dumps(document).encode(), parts.providers["clinic"]
    reading = provider.read(body)
    identity = provider.identity([], body, reading)
    return Entry("clinic", DAY * 1_000_000, [], body, "file:x", identity, reading, provider.keyed_by_body)


@pytest.fixture
def run() -> Run:
    line = command_line(app.commands())
    return lambda *words: CliRunner().invoke(line, ["audit", *map(str, words)])


def test_a_timeline_is_printed(run: Run, session: str):
    printed = run("timeline", session)

    assert printed.exit_code == 0, printed.output
    assert session in printed.stdout
    assert "sequence 1-2 has not come" in printed.stdout
    assert "waiting -> loaded" in printed.stdout


def test_who_has_the_configuration_and_the_database_needs_no_token(
    run: Run, session: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("DASHBOARD_TOKEN", "dashboard-token-0123456789")
    with (elsewhere / "hookfold.toml").open("a", encoding="utf-8") as file:
        file.write('[tokens.dashboard]\nsecret = "env:DASHBOARD_TOKEN"\nscopes = ["raw"]\n')

    printed = run("timeline", session)

    assert printed.exit_code == 0, printed.output
    assert session in printed.stdout


def test_a_timeline_as_csv_as_json_and_of_the_past(run: Run, session: str):
    table = run("timeline", session, "--format", "csv").stdout
    steps = json.loads(run("timeline", session, "--format", "json", "--known-at-position", 1).stdout)

    assert table.startswith("entry,position,type")
    assert run("timeline", session, "--format", "csv-bom").stdout == "\ufeff" + table
    assert [step["position"] for step in steps] == [1]


def test_a_timeline_is_json_by_the_option_that_every_command_has(run: Run, session: str):
    by_option, by_format = run("timeline", session, "--json"), run("timeline", session, "--format", "json")
    both, other = (run("timeline", session, "--json", "--format", form) for form in ("json", "text"))

    assert json.loads(by_option.stdout)
    assert by_option.stdout == by_format.stdout == both.stdout
    assert (other.exit_code, other.stdout) == (2, "")


def test_who_asks_wrongly_is_told_in_a_line(run: Run, session: str):
    unknown = run("timeline", "ses_" + "a" * 26)
    nonsense = run("timeline", "x")
    time = run("timeline", session, "--as-of", "yesterday")

    assert (unknown.exit_code, nonsense.exit_code, time.exit_code) == (1, 2, 2)
    assert "no such session" in unknown.stderr
    assert "expected our id" in nonsense.stderr
    assert "--as-of: expected a time" in time.stderr.replace("\n", " ")


def test_completeness_is_told_and_exits_with_1_where_anything_is_wrong(run: Run, session: str):
    told = run("completeness", "--source", "clinic", "--now", "2023-11-14T23:00:00Z")
    lines = [json.loads(line) for line in run("completeness", "--source", "clinic", "--json").stdout.splitlines()]
    whole = run("completeness", "--source", "clinic", "--known-at-position", 1, "--now", "2023-11-14T22:14:00Z")

    assert told.exit_code == 1
    assert "missing at 2: sequence 1-2 missing" in told.stdout
    assert "1 session or action lost something, 0 findings are irregular, 0 sources are silent" in told.stderr
    assert "looked at 1 session, 1 measurement, 0 actions" in told.stderr
    assert lines[0]["id"] == session
    assert lines[-1]["source"] == "clinic"
    assert (whole.exit_code, whole.stdout) == (0, "")


def test_a_silent_source_wakes_nobody(run: Run, session: str):
    asked = ("completeness", "--source", "clinic", "--known-at-position", 1, "--now", "2023-11-18T00:00:00Z")
    everything, lost = run(*asked), run(*asked, "--lost")

    assert (everything.exit_code, lost.exit_code) == (0, 0), everything.output
    assert "source clinic  silent since" in everything.stdout
    assert "nothing is lost, 0 findings are irregular, 1 source is silent" in everything.stderr


def test_of_a_session_that_is_not_there_nothing_is_said_to_be_whole(run: Run, session: str):
    absent, there = run("completeness", "--session-id", "scam"), run("completeness", "--session-id", "scan")

    assert (absent.exit_code, absent.stdout) == (1, "")
    assert "no such session" in absent.stderr
    assert "nothing is lost" not in absent.stderr
    assert "looked at 1 session, 1 measurement" in there.stderr


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_what_is_lost_alone_is_told_without_what_is_irregular_which_is_counted(
    run: Run, session: str, form: tuple[str, ...]
):
    _send([("scan", 2), ("twice", 0), ("twice", 2), ("twice", 1)])

    everything, lost = run("completeness", *form), run("completeness", "--lost", *form)

    assert "late" in everything.stdout
    assert "late" not in lost.stdout
    assert "missing" in lost.stdout
    for one in (everything, lost):
        assert "1 session or action lost something, 2 findings are irregular" in one.stderr
        assert "looked at 2 sessions, 1 measurement, 0 actions" in one.stderr


def test_a_source_that_nobody_knows_is_no_silent_source(run: Run, session: str):
    result = run("completeness", "--source", "clinik")

    assert (result.exit_code, result.stdout) == (2, "")
    assert "there is no source clinik" in result.stderr


ONE, NONE = "1 source is silent", "0 sources are silent"


@pytest.mark.parametrize(("limit", "silent"), [("10m", ONE), ("600", ONE), ("2d", NONE), ("172800", NONE)])
def test_a_source_may_be_silent_for_so_long(run: Run, session: str, limit: str, silent: str):
    asked = ("completeness", "--source", "clinic", "--now", "2023-11-15T22:14:00Z", "--silent-after")

    assert silent in run(*asked, limit).stderr
    assert run(*asked, "soon").exit_code == 2


def test_a_database_that_was_never_made_is_not_made_by_asking(run: Run, session: str, tmp_path: Path):
    asked = run("timeline", session, "--database", f"sqlite:///{tmp_path}/other.db")

    assert asked.exit_code == 1
    assert "the database cannot be used" in asked.stderr
