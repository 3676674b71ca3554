"""A service that cannot work says so at its start, in one line for whoever started it, and with exit code 2."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from adapters.cli import command_line
from adapters.config import write_template
from adapters.sql import migrate, open_engine, revision
from app import commands
from tests.support.service import AMPS_SECRET

AMPS = '[sources.energy]\nprovider = "amps"\nsecrets = ["env:AMPS_SECRET"]\n'
NOBODY_LISTENS = "postgresql://hookfold:pass-word-1@127.0.0.1:1/hookfold"


def serve(url: str = "sqlite:///x.db") -> Result:
    return CliRunner().invoke(command_line(commands()), ["serve", "--database", url])


def one_line(result: Result) -> str:
    """What was told, which has to be one line and no fault of ours."""
    assert result.exit_code == 2, result
    (line,) = result.output.splitlines()
    assert line.startswith("Error: ")
    return line


@pytest.fixture
def configured(elsewhere: Path) -> Path:
    write_template(elsewhere / "hookfold.toml")
    return elsewhere


@pytest.mark.parametrize("url", [NOBODY_LISTENS, "postgresql://hookfold@/hookfold?host=/nowhere/at/all"])
def test_a_postgresql_that_cannot_be_reached_is_named_by_its_setting(configured: Path, url: str):
    line = one_line(serve(url))

    assert "HOOKFOLD_DATABASE_URL: the database cannot be used" in line
    assert "pass-word-1" not in line


def test_a_database_that_is_missing_on_its_server_is_named(configured: Path, empty_postgresql_url: str):
    line = one_line(serve(empty_postgresql_url.replace("?", "-of-nobody?")))

    assert "HOOKFOLD_DATABASE_URL" in line
    assert "does not exist" in line


def test_a_search_path_that_leads_nowhere_is_named(configured: Path, empty_postgresql_url: str):
    line = one_line(serve(f"{empty_postgresql_url}&options=-csearch_path%3Dnowhere"))

    assert "HOOKFOLD_DATABASE_URL: the database cannot be used: its search_path is nowhere" in line


def test_a_folder_and_a_text_file_are_no_databases(configured: Path):
    (configured / "text.db").write_text("no database at all" * 100)

    assert "HOOKFOLD_DATABASE_URL" in one_line(serve(f"sqlite:///{configured}"))
    assert "HOOKFOLD_DATABASE_URL" in one_line(serve("sqlite:///text.db"))


def test_a_url_that_is_none_is_named_without_its_password(configured: Path):
    line = one_line(serve("postgresql://hookfold:pass-word-1@host:port/x"))

    assert "HOOKFOLD_DATABASE_URL" in line
    assert "pass-word-1" not in line


LATER = (
    "it is at revision 9999, which this release does not know (its newest is {newest}): another release wrote it. "
    "Start that release again, or go back to the backup from before the upgrade"
)


def test_a_database_of_a_later_release_is_left_alone_and_the_way_back_is_told(configured: Path):
    engine = open_engine("sqlite:///later.db")
    migrate(engine)
    told = LATER.format(newest=revision(engine)[1])
    engine.dispose()
    with sqlite3.connect("later.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = Path("later.db").read_bytes()

    line = command_line(commands())
    for words in ("db upgrade", "db status", "db check", "replay diff", "audit checkpoint", "export"):
        given = [*words.split(), "--database", "sqlite:///later.db"]
        result = CliRunner().invoke(line, given)
        assert result.exit_code in (1, 2), words
        assert told in result.output, words

    assert told in one_line(serve("sqlite:///later.db"))
    assert Path("later.db").read_bytes() == before


@pytest.mark.parametrize("secret", [None, "", "whsec_", "whsec_not*base64"])
def test_a_signed_source_without_a_usable_secret_is_named(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, secret: str | None
):
    (elsewhere / "hookfold.toml").write_text(AMPS)
    monkeypatch.delenv("AMPS_SECRET", raising=False)
    if secret is not None:
        monkeypatch.setenv("AMPS_SECRET", secret)

    line = one_line(serve())

    assert "sources.energy.secrets" in line
    assert not secret or secret not in line


def test_a_signed_source_without_secrets_is_named(elsewhere: Path):
    (elsewhere / "hookfold.toml").write_text('[sources.energy]\nprovider = "amps"\n')

    assert "sources.energy.secrets" in one_line(serve())


def test_the_command_itself_ends_with_code_2_and_without_a_traceback(configured: Path):
    (configured / "hookfold.toml").write_text(AMPS)
    env = os.environ | {"AMPS_SECRET": AMPS_SECRET, "HOOKFOLD_DATABASE_URL": NOBODY_LISTENS}
    house = Path(__file__).parents[2]
    command = [sys.executable, "-c", "from app import main; main()", "serve", "--config"]
    command.append(str(configured / "hookfold.toml"))

    ended = subprocess.run(command, env=env, cwd=house, capture_output=True, text=True, check=False)

    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert "HOOKFOLD_DATABASE_URL" in ended.stderr
