"""`hookfold simulate` at a source whose handler answers."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from tests.support.handler import Handler
from tests.support.house import House
from tests.support.proxied import Proxy, proxied

CONFIGURATION = '[sources.captions]\nprovider = "mentraos"\nmode = "proxy"\nforward_to = "http://127.0.0.1:1"\n'
FAULT = b"HTTP/1.1 500 Oh\r\nContent-Length: 5\r\n\r\nfault"


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    (tmp_path / "hookfold.toml").write_text(CONFIGURATION, encoding="utf-8")
    return tmp_path / "hookfold.toml"


def simulated(proxy: Proxy, configuration: Path, *words: str) -> Result:
    url = f"http://127.0.0.1:{proxy.port}/in/captions/webhook"
    asked = ("--config", str(configuration), "--source", "captions", "--url", url, "--scenario", "start_stop", *words)
    return CliRunner().invoke(command_line(app.commands()), ["simulate", *asked])


def test_a_handler_that_fails_is_told_apart_from_a_message_that_was_not_recorded(
    small_house: House, behind: Handler, configuration: Path
):
    behind.answer = FAULT
    with proxied(small_house, behind) as proxy:
        failed = simulated(proxy, configuration)
        programs = simulated(proxy, configuration, "--json")
        proxy.recorded(8)
        proxy.link.away = True
        lost = simulated(proxy, configuration)

    assert failed.exit_code == programs.exit_code == lost.exit_code == 1
    said = "every message was recorded, but the handler behind captions answered 2 of them with an error or not at all"
    assert f"{said}: /v1/events?source=captions&type=handler_failed says which" in failed.stderr
    assert json.loads(programs.stdout)["verdicts"] == {"handler_failed": 2}
    assert "not every message was taken" in lost.stderr
    assert "unavailable" in lost.stdout


def test_a_handler_that_answers_is_no_failure(small_house: House, behind: Handler, configuration: Path):
    with proxied(small_house, behind) as proxy:
        done = simulated(proxy, configuration)

    assert (done.exit_code, "accepted" in done.stdout) == (0, True), done.output
