"""A log that is gone while its secrets are there is asked for, and begun anew only on somebody's word."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import write_template
from tests.support.postgres import Postgres
from wiring.opening import start

Run = Callable[..., Result]


@pytest.fixture
def typed(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command of the real line; what it would serve is only started."""
    write_template(elsewhere / "hookfold.toml")
    monkeypatch.setattr(app, "serve", lambda settings, _asked: start(settings).engine.dispose())
    return lambda *words: CliRunner().invoke(command_line(app.commands()), words)


def test_a_start_without_the_file_asks_first_and_makes_nothing(typed: Run, elsewhere: Path):
    assert typed("serve").exit_code == 0
    for one in (elsewhere / "var").glob("hookfold.db*"):
        one.unlink()

    result = typed("serve")

    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert "HOOKFOLD_DATABASE_URL: there is no log, but" in line
    assert "hookfold db new" in line
    assert not (elsewhere / "var" / "hookfold.db").exists()
    assert "hookfold db new" in typed("serve", "--rebuild-on-start").stderr
    assert typed("db", "new").exit_code == 0
    assert typed("serve").exit_code == 0


def test_a_database_that_was_made_in_between_is_no_answer(typed: Run, elsewhere: Path):
    assert typed("serve").exit_code == 0
    (elsewhere / "var" / "hookfold.db").unlink()
    assert typed("db", "upgrade").exit_code == 0

    assert "hookfold db new" in typed("serve").stderr


def test_an_empty_postgresql_is_asked_for_as_well(typed: Run, elsewhere: Path, postgres: Postgres):
    with postgres.database() as first, postgres.database() as second:
        assert typed("serve", "--database", first).exit_code == 0

        result = typed("serve", "--database", second)

        assert result.exit_code == 2
        assert "there is no log, but" in result.stderr
        assert "`hookfold import`" in result.stderr
        assert "-wal" not in result.stderr
        assert typed("db", "new", "--database", second).exit_code == 0
        assert typed("serve", "--database", second).exit_code == 0


def test_a_log_moves_from_sqlite_to_postgresql_and_is_the_same_log(
    typed: Run, elsewhere: Path, empty_postgresql_url: str
):
    assert typed("serve").exit_code == 0
    with (elsewhere / "hookfold.toml").open("a") as config:
        config.write('[sources.more]\nprovider = "mentraos"\npackage_name = "com.example.more"\n')
    assert typed("serve").exit_code == 0  # and records what changed
    sqlite = f"sqlite:///{elsewhere}/var/hookfold.db"
    assert typed("audit", "checkpoint", "--to", "kept.txt", "--database", sqlite).exit_code == 0

    assert typed("export", "--with-own", "-o", "log.jsonl", "--database", sqlite).exit_code == 0
    moved = typed("import", "log.jsonl", "--database", empty_postgresql_url)
    assert moved.exit_code == 0, moved.output
    assert typed("serve", "--database", empty_postgresql_url).exit_code == 0

    verified = typed("audit", "verify", "--database", empty_postgresql_url, "--against", "kept.txt")
    assert verified.exit_code == 0, verified.output


def test_secrets_of_the_environment_tell_nothing_of_a_log(typed: Run, elsewhere: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("OURS", "ab" * 32)
    (elsewhere / "hookfold.toml").write_text('[service]\nsecret = "env:OURS"\nsigning_key = "env:OURS"\n')
    assert typed("serve").exit_code == 0
    (elsewhere / "var" / "hookfold.db").unlink()

    assert typed("serve").exit_code == 0
