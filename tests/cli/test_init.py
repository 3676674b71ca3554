"""`hookfold init`."""

import json
import os
from pathlib import Path

from adapters.config import load


def test_it_writes_a_configuration_that_loads_with_a_source_for_every_provider(run, elsewhere):
    result = run("init")

    assert result.exit_code == 0
    assert {source.provider for source in load(None, os.environ).sources.values()} == {
        "wms",
        "amps",
        "mentraos",
        "augmentos",
    }


def test_a_program_reads_which_files_were_written(run, elsewhere):
    first, again = (json.loads(run("init", "--if-missing", "--json").stdout)["wrote"] for _ in range(2))

    assert "hookfold.toml" in [os.path.relpath(file) for file in first]
    assert all(Path(file).exists() for file in first)
    assert again == []


def test_the_secrets_are_fresh_and_readable_by_their_owner_only(run, elsewhere):
    run("init", "--config", elsewhere / "one.toml")
    first = (elsewhere / "var" / "clinic.secret").read_text()
    (elsewhere / "var" / "clinic.secret").unlink()

    run("init", "--config", elsewhere / "two.toml")

    second = elsewhere / "var" / "clinic.secret"
    assert second.read_text() != first
    assert second.stat().st_mode & 0o777 == 0o600


def test_a_configuration_that_is_there_is_never_written_over(run, elsewhere):
    (elsewhere / "hookfold.toml").write_text("# mine")

    result = run("init")

    assert result.exit_code == 2
    assert "hookfold.toml" in result.output
    assert (elsewhere / "hookfold.toml").read_text() == "# mine"


def test_if_missing_leaves_it_and_says_nothing(run, elsewhere):
    (elsewhere / "hookfold.toml").write_text("# mine")

    result = run("init", "--if-missing")

    assert (result.exit_code, result.output) == (0, "")


def test_the_environment_names_the_file(run, elsewhere, monkeypatch):
    monkeypatch.setenv("HOOKFOLD_CONFIG", str(elsewhere / "other.toml"))

    run("init")

    assert (elsewhere / "other.toml").exists()
