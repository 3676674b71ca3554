"""A secret that the database was made with cannot be made anew: its file is asked back, and none is left behind."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import load, write_template
from wiring.opening import start

Run = Callable[..., Result]


@pytest.fixture
def typed(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Types a command of the real line, in the folder of a service that started once."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", database_url)
    write_template(elsewhere / "hookfold.toml")
    start(load(None, os.environ)).engine.dispose()
    return lambda *words: CliRunner().invoke(command_line(app.commands()), words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("secret", ["serve"]),
        ("secret", ["replay"]),
        ("secret", ["audit", "checkpoint"]),
        ("secret", ["import", "hookfold.toml"]),
        ("signing-key", ["serve"]),
        ("signing-key", ["audit", "checkpoint"]),
        ("signing-key", ["audit", "key"]),
        ("signing-key", ["audit", "verify"]),
    ],
)
def test_the_missing_file_is_named_and_not_made(typed: Run, elsewhere: Path, name: str, words: list[str]):
    (elsewhere / "var" / name).unlink()

    result = typed(*words)

    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f"var/{name}: service.{name.replace('-', '_')}: this file is missing: give it back" in line
    assert not (elsewhere / "var" / name).exists()


def test_who_verifies_needs_no_service_secret_and_makes_none(typed: Run, elsewhere: Path):
    (elsewhere / "var" / "secret").unlink()

    assert typed("audit", "verify").exit_code == 0
    assert not (elsewhere / "var" / "secret").exists()


@pytest.mark.parametrize(
    "words", [["replay", "status"], ["audit", "key"], ["audit", "completeness"], ["export", "-o", "log.jsonl"]]
)
def test_who_receives_nothing_needs_no_secret_of_a_sender(typed: Run, elsewhere: Path, words: list[str]):
    for name in ("clinic", "energy"):
        (elsewhere / f"var/{name}.secret").unlink()

    assert typed(*words).exit_code == 0
    assert "clinic.secret cannot be read" in typed("serve").stderr


def test_a_check_names_both_missing_keys_but_not_those_of_a_copy(typed: Run, elsewhere: Path, database_url: str):
    assert typed("db", "check").exit_code == 0
    for name in ("secret", "signing-key"):
        (elsewhere / "var" / name).unlink()

    checked = typed("db", "check")

    assert checked.exit_code == 1
    assert "2 things are wrong" in checked.stderr
    for name in ("secret", "signing-key"):
        assert f"var/{name}: service.{name.replace('-', '_')}: this file is missing: give it back" in checked.stdout
        assert not (elsewhere / "var" / name).exists()
    assert typed("db", "check", "--database", database_url).exit_code == 0
    assert typed("db", "check", "--database", database_url, "--config", "hookfold.toml").exit_code == 1
