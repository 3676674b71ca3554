"""docs/auditors.md: every command on it is typed as it stands, in its order."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from urllib.parse import parse_qsl, urlsplit

import pytest
from click.testing import CliRunner

import app
from adapters.cli import command_line
from adapters.config import Settings, load, write_template
from adapters.simulator import SCENARIOS, ScenarioContext
from adapters.sql import Entry
from core.event import SECOND
from wiring.opening import open_components

PAGE = Path(__file__).parents[2] / "docs" / "auditors.md"
TYPED = [
    line.partition("  #")[0].strip()
    for block in re.findall(r"```\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    for line in block.splitlines()
]
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture
def house(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A service that received a visit with a measurement."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    write_template(elsewhere / "hookfold.toml")
    parts = open_components(load(None, os.environ))
    log, provider = parts.log(), parts.providers["clinic"]
    at = int(time.time()) * SECOND
    for message in SCENARIOS["wms"]["happy"](ScenarioContext(Random(1), at - 120 * SECOND), "wms"):
        reading = provider.read(message.body)
        identity = provider.identity([], message.body, reading)
        log.append([Entry("clinic", at, [], message.body, "file:x", identity, reading, provider.keyed_by_body)])
    log.close()
    parts.engine.dispose()
    return load(None, os.environ)


def test_every_command_of_the_page_does_what_it_says(house: Settings):
    with app.commands().asking(house) as ask:
        (session,) = json.loads(ask("/v1/sessions", {})[1])["data"]
        (measurement,) = json.loads(ask("/v1/measurements", {})[1])["data"]
    names = {"ses_…": session["id"], "mea_…": measurement["id"], "VKEY": str(app.commands().key(house))}
    names |= {" URL ": f" {house.database_url} "}

    said = {typed: typed_with(house, names, typed) for typed in TYPED}

    assert {typed: told for typed, (code, told) in said.items() if code != 0} == {}
    texts = {" ".join(typed.split()[:3]): told for typed, (_, told) in said.items()}
    assert "fits: 1 stream and" in texts["hookfold audit verify"]
    assert "were erased, and nothing else by this erasure" in texts["hookfold audit verify"]
    assert "erased here are among the" in texts["python bundle/verify.py erased.zip"]
    assert "the checkpoint checkpoint.txt over" in texts["python bundle/verify.py bundle.zip"]
    of_types = [told for typed, (_, told) in said.items() if "type=" in typed]
    assert ['"who":"local"' in told for told in of_types] == [True, False, True]  # nobody read a body


def typed_with(house: Settings, names: dict[str, str], line: str) -> tuple[int, str]:
    """Exit code and output of a line with names in the place of those that stand for them, and the present as time."""
    for stands_for, name in names.items():
        line = line.replace(stands_for, name)
    command, *words = shlex.split(_TIME.sub(f"{datetime.now(UTC) + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}", line))
    if command == "hookfold":
        done = CliRunner().invoke(command_line(app.commands()), words)
        return done.exit_code, done.output
    if command == "curl":
        url = urlsplit(words[-1])
        with app.commands().asking(house) as ask:
            status, body = ask(url.path, dict(parse_qsl(url.query)))
        return int(status != 200), body
    run = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout + run.stderr
