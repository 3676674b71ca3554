"""A command that asks a database which is not there says so, and makes none."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import write_template
from core.proofs.note import Key

Run = Callable[..., Result]

VKEY = str(Key("log.example.com", b"\x01" * 32))
ASKING = [
    "audit bundle ses_x",
    "audit checkpoint",
    "audit completeness",
    "audit erase --stream ses_aaaaaaaaaaaaaaaaaaaaaaaaaa --reason asked",
    "audit proof 1",
    "audit retain",
    "audit retract 1 --reason asked",
    "audit timeline ses_x",
    f"audit verify --key {VKEY}",
    "db status",
    "export",
    "replay",
    "replay --reread",
    "replay --status",
]
WRONG = [
    ("foo", "postgresql://"),
    ("mysql://h/x", "sqlite:///"),
    ("postgres://u@h/x", "postgresql://"),
    ("sqlite://rel.db", "write sqlite:///rel.db, with three slashes"),
    ("sqlite://var/rel.db", "write sqlite:///var/rel.db, with three slashes"),
    ("sqlite://", "name a file, such as sqlite:///var/hookfold.db"),
    ("sqlite:///:memory:", "name a file, such as sqlite:///var/hookfold.db"),
    ("sqlite:///rel.db?timout=5", "SQLite knows no option timout: write timeout"),
    ("postgresql://postgres@/hf?hst=foo", "PostgreSQL knows no option hst: write host"),
    ("postgresql://postgres@/hf?q=foo", "PostgreSQL knows no option q: remove it"),
    ("postgresql://postgres@/hf?replication=database", "PostgreSQL knows no option replication"),
    ("postgresql://postgres@/hf?client_encoding=latin1", "Hookfold sets client_encoding itself"),
    ("postgresql://postgres@/hf?options=-c%20lock_timeout=1s%20-ctimezone=UTC", "Hookfold sets timezone itself"),
    ("postgresql://postgres@/hf?options=--Synchronous-Commit=off", "Hookfold sets synchronous_commit itself"),
    ("sqlite:///rel.db?isolation_level=DEFERRED", "SQLite knows no option isolation_level"),
]


@pytest.fixture
def typed(elsewhere: Path) -> Run:
    write_template(elsewhere / "hookfold.toml")
    return lambda *words: CliRunner().invoke(command_line(app.commands()), words)


def one_line(result: Result) -> str:
    (line,) = result.stderr.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.mark.parametrize("words", ASKING)
def test_a_database_that_is_not_there_is_told_and_not_made(typed: Run, elsewhere: Path, words: str):
    before = sorted(elsewhere.rglob("*"))

    result = typed(*words.split(), "--database", f"sqlite:///{elsewhere}/new/typo.db")

    assert result.exit_code == 1, result.output
    assert f"the database cannot be used: there is none at {elsewhere}/new/typo.db" in one_line(result)
    assert sorted(elsewhere.rglob("*")) == before


@pytest.mark.parametrize("words", ["audit checkpoint", "replay"])
def test_a_database_without_a_log_is_told_and_left_so(typed: Run, empty_postgresql_url: str, words: str):
    result = typed(*words.split(), "--database", empty_postgresql_url)

    assert result.exit_code == 1
    assert "it holds no log" in one_line(result)
    assert "revision none" in typed("db", "status", "--database", empty_postgresql_url).stdout


@pytest.mark.parametrize("words", ["db status", "db upgrade", f"audit verify --key {VKEY}", "export", "serve"])
@pytest.mark.parametrize(("url", "mend"), WRONG)
def test_a_url_that_names_no_database_is_told_with_its_mend(typed: Run, words: str, url: str, mend: str):
    result = typed(*words.split(), "--database", url)

    assert result.exit_code == 2
    assert mend in one_line(result)


def test_a_first_start_may_be_told_to_rebuild(typed: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(app, "serve", lambda _settings, _asked: None)

    result = typed("serve", "--rebuild-on-start")

    assert (result.exit_code, Path("var/hookfold.db").exists()) == (0, True)
