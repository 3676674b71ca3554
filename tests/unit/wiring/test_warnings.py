"""What a service says at its start of what is most likely not meant."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.config import load
from wiring.opening import open_components
from wiring.warnings import is_loopback, warn

TOKEN = '[tokens.desk]\nsecret = "env:DESK"\nscopes = ["read"]\n'


def said(folder: Path, url: str, host: str, more: str = "") -> list[dict[str, Any]]:
    """What is said of a service with one source on this address."""
    (folder / "hookfold.toml").write_text(f'[sources.captions]\nprovider = "mentraos"\n{more}')
    env = {"HOOKFOLD_CONFIG": str(folder / "hookfold.toml"), "HOOKFOLD_DATABASE_URL": url, "DESK": "0123456789abcdef"}
    parts = open_components(load(None, env))
    with capture_logs() as lines:
        warn(parts, host)
    parts.engine.dispose()
    return [dict(line) for line in lines]


def test_an_open_service_that_others_reach_is_told(tmp_path: Path, sqlite_url: str):
    (line,) = said(tmp_path, sqlite_url, "0.0.0.0")

    assert (line["event"], line["host"], line["log_level"]) == ("no_token", "0.0.0.0", "warning")
    assert line["mend"].startswith(f"add [tokens.NAME] to {tmp_path / 'hookfold.toml'}: ")
    assert line["mend"].endswith("read every state and body, tell of actions and start replays")


@pytest.mark.parametrize(("host", "more"), [("127.0.0.1", ""), ("0.0.0.0", TOKEN)])
def test_one_that_asks_for_a_token_or_that_nobody_else_reaches_is_not(
    tmp_path: Path, sqlite_url: str, host: str, more: str
):
    assert said(tmp_path, sqlite_url, host, more) == []


def test_a_secret_that_can_be_guessed_is_told_by_its_name(tmp_path: Path, sqlite_url: str):
    (tmp_path / "short").write_text("0123456789abcde")
    (tmp_path / "long").write_text("0123456789abcdef")
    clinic = '[sources.clinic]\nprovider = "wms"\nsecrets = ["file:short", "file:long"]'

    (line,) = said(tmp_path, sqlite_url, "127.0.0.1", clinic)

    assert (line["event"], line["source"], line["secret"]) == ("short_secret", "clinic", "file:short")


HERE = ["127.0.0.2", "127.1", "0x7f.1", "2130706433", "::1", "::ffff:127.0.0.1", "localhost", "LocalHost", "localhost."]
ELSEWHERE = ["0.0.0.0", "0", "10.1", "::", "::ffff:10.0.0.1", "example.com", "localhost.example.com", "löcalhost", ""]


@pytest.mark.parametrize(("host", "is_one"), [*((one, True) for one in HERE), *((one, False) for one in ELSEWHERE)])
def test_which_addresses_are_reached_from_here_alone(host: str, is_one: bool):
    assert is_loopback(host) is is_one
