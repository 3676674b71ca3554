"""What the README says is so."""

import re
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from adapters.cli import Commands, command_line
from adapters.config import load
from adapters.config.load import _SERVICE, settings_of
from adapters.providers import PROVIDERS
from adapters.sql.log.own_events import TYPES

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


def test_every_command_that_is_named_is_there_and_every_one_that_is_there_is_named():
    texts = README + "".join(path.read_text(encoding="utf-8") for path in sorted((HOUSE / "docs").glob("*.md")))
    named = set(
        re.findall(r"(?:^|`|/bin/)hookfold ([a-z][a-z-]*(?: [a-z][a-z-]*)?)", "\n".join(_code(texts)), re.MULTILINE)
    )
    there = {" ".join(path) for path in _commands(command_line(Commands(print, print, lambda _url: (None, None))))}

    assert {name for name in named if name not in there and name.partition(" ")[0] not in there} == set()
    assert there - named - {name for name in there if name.partition(" ")[0] in there & named} == set()


def test_every_setting_is_in_the_documentation():
    texts = README + "".join(path.read_text(encoding="utf-8") for path in sorted((HOUSE / "docs").rglob("*.md")))
    of_sources = {name for kind in PROVIDERS.values() for name in settings_of(kind)}
    settings = of_sources | set(_SERVICE) | {"secret", "signing_key", "scopes"}

    assert {name for name in settings if not re.search(rf"\b{name}\b", texts)} == set()


def test_every_file_that_is_named_is_there():
    links = re.findall(r"\]\(([^):]+)\)", README)
    folders = re.findall(r"^(\S+/|\S+\.py) {2,}", README, re.MULTILINE)

    assert [path for path in (*links, *folders) if not (HOUSE / path).exists()] == []


def test_what_the_page_for_trouble_names_is_there():
    page = (HOUSE / "docs/trouble.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^):]+)\)", page)
    lines = [name for told in re.findall(r"log lines? ([^;|:]+)", page) for name in re.findall(r"`(\w+)`", told)]
    source = "".join(path.read_text("utf-8") for one in ("adapters", "wiring") for path in (HOUSE / one).rglob("*.py"))

    assert [path for path in links if not (HOUSE / "docs" / path).exists()] == []
    assert [name for name in lines if not re.search(rf'\b{name}"', source)] == []
    assert len(lines) > 5


def test_every_target_that_is_named_can_be_made():
    targets = re.findall(r"^([a-z]+):", (HOUSE / "Makefile").read_text(), re.MULTILINE)

    assert set(re.findall(r"\bmake ([a-z]+)", README)) <= set(targets)


def _code(text: str) -> list[str]:
    """What stands in backticks or in a block of code."""
    return re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL)


def test_every_event_of_our_own_is_in_the_list_of_the_access_log():
    page = (HOUSE / "docs/erasure.md").read_text(encoding="utf-8")

    listed = page.partition("## The access log")[2].partition("## Evidence")[0]

    assert {kind for kind in TYPES if f"`{kind}`" not in listed} == set()


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Those that do something: a group by itself does not."""
    if not isinstance(command, click.Group):
        return [path]
    return [found for name, child in command.commands.items() for found in _commands(child, (*path, name))]
