"""deploy/hookfold.sh: the command, on the host of the systemd unit, works on the service that the unit starts."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.deploy.conftest import HOUSE

WRAPPER = HOUSE / "deploy/hookfold.sh"
TOML = '[service]\nsecret = "file:{}/secret"\n[sources.clinic]\nprovider = "wms"\nsecrets = ["env:CLINIC_SECRET"]\n'
SOMEBODY = 64123
PRIVATE = 0o700


class Host:
    """A host with its paths below a folder, into whose state nobody but root may look."""

    def __init__(self, folder: Path, executable: Path) -> None:
        self.folder, self.etc, self.lib, self.wrapper = folder, folder / "etc", folder / "lib", folder / "hookfold"
        for path in (self.etc, self.lib):
            path.mkdir(PRIVATE)
        if os.geteuid() == 0:
            os.chown(self.lib, SOMEBODY, SOMEBODY)
        text = WRAPPER.read_text(encoding="utf-8").replace("/opt/hookfold/.venv/bin/hookfold", str(executable))
        self.wrapper.write_text(
            text.replace("/etc/hookfold", str(self.etc)).replace("/var/lib/hookfold", str(self.lib)), encoding="utf-8"
        )
        self.wrapper.chmod(0o755)
        (self.etc / "hookfold.toml").write_text(TOML.format(self.lib))
        (self.etc / "secrets").write_text("# of the sender\nCLINIC_SECRET=clinic-secret-0123456789\n")
        self.tools = folder / "tools"
        self.tools.mkdir()

    def tool(self, name: str, script: str) -> None:
        """A tool of the host, by a script of this test."""
        (self.tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.tools / name).chmod(0o755)

    def type(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What is typed, in an environment that knows nothing of the service."""
        env = {"PATH": f"{self.tools}:{os.environ['PATH']}"}
        return subprocess.run(
            [str(self.wrapper), *words], cwd="/", env=env, capture_output=True, text=True, check=False
        )


@pytest.fixture
def host(installed: Path, tmp_path: Path) -> Host:
    """Whoever is not root cannot change the user: there, all the rest is tested."""
    made = Host(tmp_path, installed / "bin/hookfold")
    if os.geteuid() != 0:
        made.tool("id", "echo 0")
        made.tool("setpriv", 'while case $1 in --*) true ;; *) false ;; esac; do shift; done; exec "$@"')
    for path in installed.parents if os.geteuid() == 0 else ():
        if len(path.parts) > 2 and path.stat().st_mode & 0o777 == PRIVATE:
            path.chmod(0o711)  # everybody reaches the code below /opt, but not what pytest made
    return made


def test_it_finds_configuration_secrets_and_database_and_what_it_makes_is_the_services(host: Host):
    began = host.type("db", "new")
    released = host.type("quarantine", "release", "--dry-run")
    planned = host.type("replay", "diff")

    assert (began.returncode, released.returncode, planned.returncode) == (0, 0, 0), began.stderr + released.stderr
    made = {path.name: path.stat().st_uid for path in host.lib.iterdir()}
    assert {"hookfold.db", "secret", "signing-key"} <= set(made)
    assert set(made.values()) == {host.lib.stat().st_uid}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("URL=postgresql://u:p%40s@h/n?a=1&b=$HOME;x", "postgresql://u:p%40s@h/n?a=1&b=$HOME;x"),
        ("URL='two words'", "two words"),
        (r'URL="a \"b\" \n"', r'a "b" \n'),
        (r"URL=a\ b  ", "a b"),
        ("  URL = no", None),
        ("#URL=no", None),
        ("URL=", ""),
    ],
)
def test_it_reads_the_secrets_as_systemd_does(host: Host, line: str, value: str | None):
    (host.etc / "secrets").write_text(line)
    host.tool("setpriv", 'printf "%s" "${URL-unset}"')
    host.tool("id", "echo 0")

    assert host.type("x").stdout == ("unset" if value is None else value)


def test_whoever_is_not_root_is_asked_for_it_by_sudo(host: Host):
    host.tool("id", "echo 1000")
    host.tool("sudo", 'printf "%s|" "$@"')

    assert host.type("replay", "diff", "a b").stdout == f"{host.wrapper}|replay|diff|a b|"


def test_before_the_first_start_it_says_what_to_do(host: Host):
    host.lib.rmdir()

    typed = host.type("replay", "diff")

    assert (typed.returncode, typed.stdout) == (2, "")
    assert "systemctl start hookfold" in typed.stderr


def test_it_names_what_the_unit_names():
    unit = (HOUSE / "deploy/hookfold.service").read_text(encoding="utf-8")
    text = WRAPPER.read_text(encoding="utf-8")

    assert re.findall(r"^export (HOOKFOLD_.*)$", text, re.MULTILINE) == re.findall(
        r"^Environment=(.*)$", unit, re.MULTILINE
    )
    (secrets,) = re.findall(r"^EnvironmentFile=-(.*)$", unit, re.MULTILINE)
    assert f"secrets={secrets}\n" in text
