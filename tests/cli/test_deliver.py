"""`hookfold replay deliver` and `hookfold relay`, as they are typed."""

import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import Settings, load, write_template
from adapters.providers import sign_svix
from adapters.sql import Entry
from tests.support.handler import handler
from tests.support.receivers import svix_webhook
from wiring.opening import open_components

Run = Callable[..., Result]
RELAYED = '\nmode = "relay"\nforward_to = "http://127.0.0.1:9"\n'


@pytest.fixture
def house(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A service that received three actions, the second of which nobody can read."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    path = elsewhere / "hookfold.toml"
    write_template(path)
    path.write_text(path.read_text().replace('overdue_after = "10m"', RELAYED))
    settings = load(None, os.environ)
    parts = open_components(settings)
    log, door = parts.log(), parts.door()
    for number, body in enumerate((b'{"actionId":"a","result":{}}', b"{not json", b'{"actionId":"b","result":{}}')):
        at = int(time.time()) - 200
        headers = list(sign_svix(settings.sources["energy"].secrets[0].value, f"msg_{number}", at, body).items())
        item = door.receive("energy", headers, body, "/in/energy")
        assert isinstance(item, Entry)
        log.append([item])
    log.close()
    parts.engine.dispose()
    return settings


@pytest.fixture
def run() -> Run:
    line = command_line(app.commands())
    return lambda *words: CliRunner().invoke(line, list(map(str, words)))


def test_a_range_is_shown_first_and_sent_when_asked_to(house: Settings, run: Run):
    secret = house.sources["energy"].secrets[0].value
    with handler() as behind:
        asked = ("replay", "deliver", "--to", f"{behind.url}/hook?", "--source", "energy")
        wrong = run(*asked)
        to_hook = ("replay", "deliver", "--to", f"{behind.url}/hook", "--source", "energy", "--rate", 1000)
        shown = run(*to_hook)
        silent = behind.heard.empty()
        sent = run(*to_hook, "--send", "--after", 1, "--json")
        heard = [behind.next() for _ in range(2)]

    assert (wrong.exit_code, shown.exit_code, silent) == (2, 0, True)
    assert "3 deliveries" in shown.stdout
    assert json.loads(sent.stdout) == {"answers": {"200": 2}, "last": 3, "failed": 0}
    assert [one.first for one in heard] == [b"POST /hook HTTP/1.1"] * 2
    assert [one.body for one in heard] == [b"{not json", b'{"actionId":"b","result":{}}']
    for one in heard:
        headers = {name.decode(): value.decode() for name, value in one.headers.items()}
        svix_webhook(secret).verify(one.body, headers)
        assert headers["hookfold-verdict"] == "duplicate"


def test_a_handler_that_is_not_there_ends_it_and_the_command_says_where_to_go_on(house: Settings, run: Run):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]

    gone = run("replay", "deliver", "--to", f"http://127.0.0.1:{port}", "--source", "energy", "--send")

    assert gone.exit_code == 1
    assert "--after 0" in gone.stderr


def test_what_is_relayed_is_paused_resumed_and_dead_ones_are_decided_about(house: Settings, run: Run):
    paused = run("relay", "pause", "--source", "energy", "--by", "anna")
    status = run("relay", "status", "--json")
    listed = [json.loads(line) for line in run("relay", "list", "--source", "energy", "--json").stdout.splitlines()]
    shown = run("relay", "list").stdout.splitlines()
    dead = run("relay", "list", "--dead")
    resumed = run("relay", "resume", "--source", "energy")
    none = run("relay", "retry", "--source", "energy")
    not_dead = run("relay", "drop", "--source", "energy", "--position", 1)
    unknown = run("relay", "pause", "--source", "nobody")

    assert (paused.exit_code, resumed.exit_code, none.exit_code) == (0, 0, 0)
    (energy,) = json.loads(status.stdout)["sources"]
    assert (energy["waiting"], energy["dead"], energy["paused_at"] is None) == (3, 0, False)
    assert "energy: 0 are tried again" in none.stdout
    assert [(one["position"], one["state"], one["stream"] is None) for one in listed] == [
        (1, "waiting", False),
        (2, "waiting", True),
        (3, "waiting", False),
    ]
    assert shown[0].startswith(f"energy 1  {listed[0]['stream']}  waiting  ")
    assert "  of no stream  " in shown[1]
    assert (dead.exit_code, dead.stdout) == (0, "")
    assert (not_dead.exit_code, unknown.exit_code) == (1, 2)


def test_reconcile_asks_the_api_that_is_configured_with_its_key(house: Settings, run: Run, monkeypatch):
    path = house.path
    none = run("reconcile")
    with handler() as behind:
        monkeypatch.setenv("AMPS_API_KEY", "a key")
        api = f'api_key = "env:AMPS_API_KEY"\napi_url = "{behind.url}"\n'
        path.write_text(path.read_text().replace('provider = "amps"\n', f'provider = "amps"\n{api}'))
        done = run("reconcile", "--json")

    assert (none.exit_code, done.exit_code) == (2, 0)
    told = {"asked": 0, "learnt": {}, "unchanged": 0, "unknown": 0, "unanswered": 0, "failed": 0, "stopped": None}
    assert json.loads(done.stdout) == {"sources": {"energy": told}}
