"""The commands of docs/operate.md, "Install", put everything where the unit and the command look for it."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import HOUSE

SECTION = (HOUSE / "docs/operate.md").read_text(encoding="utf-8").partition("## Install")[2].partition("\n## ")[0]
PRELUDE = 'set -e; sudo() { "$@"; }; systemctl() { :; }\n'
ELSEWHERE = ("/etc/", "/usr/local/", "/opt/", "/var/lib/")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder after the commands; those of Python and pip, which need a network, are left out."""
    root, checkout = tmp_path / "root", tmp_path / "checkout"
    for folder in (root / "etc/systemd/system", root / "etc/hookfold", root / "opt/hookfold"):
        folder.mkdir(parents=True)
    shutil.copytree(HOUSE / "deploy", checkout / "deploy")
    shutil.copytree(HOUSE / "docs", checkout / "docs")
    toml, commands = re.findall(r"```(?:toml)?\n(.*?)```\n", SECTION, re.DOTALL)
    (checkout / "hookfold.toml").write_text(toml)
    lines = [line for line in commands.splitlines() if ".venv" not in line]
    script = re.sub(rf"(?<![\w/])({'|'.join(ELSEWHERE)})", rf"{root}\1", "\n".join(lines))
    subprocess.run(["sh", "-c", PRELUDE + script], cwd=checkout, check=True)
    return root


def test_the_secrets_hold_what_was_typed_with_the_password_as_it_stands_in_a_url(root: Path):
    secrets = root / "etc/hookfold/secrets"

    assert re.search(r"^HOOKFOLD_DATABASE_URL=postgresql://\w+:p%40ss@", secrets.read_text(), re.MULTILINE)
    assert secrets.stat().st_mode & 0o777 == 0o600


def test_the_unit_the_configuration_and_the_command_are_in_their_places(root: Path):
    assert (root / "etc/systemd/system/hookfold.service").exists()
    assert (root / "etc/hookfold/hookfold.toml").stat().st_mode & 0o777 == 0o644
    assert (root / "usr/local/bin/hookfold").stat().st_mode & 0o777 == 0o755


def test_the_page_that_the_unit_names_is_there(root: Path):
    unit = (HOUSE / "deploy/hookfold.service").read_text(encoding="utf-8")
    (page,) = re.findall(r"^Documentation=file:///(.*)$", unit, re.MULTILINE)

    assert (root / page).exists()
