"""What the README says is so."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.cli import Commands, command_line
from adapters.config import load

HOUSE = Path(__file__).parents[2]
README = (HOUSE / "README.md").read_text()
TYPED = re.findall(r"^\.venv/bin/hookfold (.+)$", README, re.MULTILINE)


def test_the_configuration_loads(tmp_path):
    (tmp_path / "hookfold.toml").write_text(re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[0])
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "clinic.secret").write_text("a secret")
    secrets = {"WMS_OLD": "an old secret", "AMPS_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}

    settings = load(
        tmp_path / "hookfold.toml", secrets | {"HOOKFOLD_DATABASE_URL": f"sqlite:///{tmp_path}/hookfold.db"}
    )

    assert set(settings.sources) == {"clinic", "energy", "captions"}


@pytest.mark.parametrize("typed", TYPED)
def test_every_command_takes_the_options_that_are_shown(typed):
    line = command_line(Commands(serve=print, migrate=print, revision=lambda _url: (None, None)))

    result = CliRunner().invoke(line, [*shlex.split(typed), "--help"])  # options are known or not before help is given

    assert result.exit_code == 0, result.output


def test_every_file_that_is_named_is_there():
    links = re.findall(r"\]\(([^):]+)\)", README)
    folders = re.findall(r"^(\S+/|\S+\.py) {2,}", README, re.MULTILINE)

    assert [path for path in (*links, *folders) if not (HOUSE / path).exists()] == []


def test_every_target_that_is_named_can_be_made():
    targets = re.findall(r"^([a-z]+):", (HOUSE / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= set(targets)
