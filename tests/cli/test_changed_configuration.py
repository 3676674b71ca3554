"""What was changed in hookfold.toml between two starts is an event of our own."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import CliRunner

from adapters.cli import command_line
from adapters.config import load, write_template
from adapters.sql import open_engine
from app import commands
from wiring.opening import start

FIRST, SECOND = "first-token-0123456789", "second-token-0123456789"


@pytest.fixture
def file(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a service that started once."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", database_url)
    path = elsewhere / "hookfold.toml"
    write_template(path)
    _start()
    return path


@pytest.mark.parametrize(
    ("line", "instead", "change"),
    [
        ("[sources.clinic]", "[sources.clinic]\nnode_ascii = true", {"source": "clinic", "change": "node_ascii_on"}),
        (
            '"file:var/secret"',
            '"file:var/secret"\nmax_body = 2048',
            {"source": "hookfold", "change": "max_body", "to": 2048},
        ),
        ('"10m"', '"1h"', {"source": "energy", "change": "overdue_after", "to": 3600.0}),
        (".captions]", '.captions]\npresumed_ended_after = "12h"', {"change": "presumed_ended_after", "to": 43200.0}),
        (
            "com.example.captions",
            "com.example.other",
            {"change": "package_name", "from": "com.example.captions", "to": "com.example.other"},
        ),
        ('["file:var/energy.secret"]', '["file:var/energy.secret"]\nevent_type = "push.failed"', {"to": "push.failed"}),
    ],
)
def test_a_setting_that_was_changed_is_recorded_once(
    file: Path, database_url: str, line: str, instead: str, change: dict[str, Any]
):
    text = file.read_text(encoding="utf-8")
    assert line in text
    file.write_text(text.replace(line, instead, 1), encoding="utf-8")

    _start()
    _start()

    (event,) = _recorded(database_url)
    (told,) = event["changes"]
    assert (event["type"], event["who"]) == ("configuration_changed", "local")
    assert told.items() >= change.items()


def test_a_token_that_comes_changes_and_goes_is_recorded_without_its_secret(file: Path, database_url: str):
    text, secret = file.read_text(encoding="utf-8"), file.parent / "var/dashboard"
    ours = {"token": "dashboard"}
    told: dict[tuple[str, str], list[dict[str, Any]]] = {
        (FIRST, '["read"]'): [
            {"change": "token_added"},
            {"change": "secret_added", "secret": "file:var/dashboard"},
            {"change": "scopes", "from": None, "to": "read"},
        ],
        (FIRST, '["raw", "read"]'): [{"change": "scopes", "from": "read", "to": "read raw"}],
        (SECOND, '["read", "raw"]'): [{"change": "secret_replaced", "secret": "file:var/dashboard"}],
    }

    for content, scopes in told:
        secret.write_text(content, encoding="utf-8")
        token = f'[tokens.dashboard]\nsecret = "file:var/dashboard"\nscopes = {scopes}\n'
        file.write_text(text + token, encoding="utf-8")
        _start()
    file.write_text(text, encoding="utf-8")
    _start()

    *changed, gone = _recorded(database_url)
    assert [event["changes"] for event in changed] == [[ours | change for change in one] for one in told.values()]
    assert gone["changes"][0] == ours | {"change": "token_removed"}
    assert not any(secret in str(changed) for secret in (FIRST, SECOND))


def test_a_start_tells_what_was_changed_and_where_to_look_and_no_value(file: Path):
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("com.example.captions", "com.example.other"), encoding="utf-8")
    (file.parent / "var/energy.secret").write_text("whsec_" + "YW5vdGhlciBv" * 4, encoding="utf-8")

    with structlog.testing.capture_logs() as lines:
        _start()
        _start()

    (line,) = [line for line in lines if line["event"] == "configuration_changed"]
    assert line["changes"] == [
        {"source": "captions", "change": "package_name"},
        {"source": "energy", "change": "secret_replaced", "secret": "file:var/energy.secret"},
    ]
    assert "/v1/events?source=hookfold" in line["mend"]
    assert not any(value in str(line) for value in ("com.example", "YW5vdGhlciBv"))


def test_a_source_and_a_token_of_one_name_are_not_mixed_up(file: Path, database_url: str):
    (file.parent / "var/clinic").write_text(FIRST, encoding="utf-8")
    token = '[tokens.clinic]\nsecret = "file:var/clinic"\nscopes = ["act"]\n'
    file.write_text(file.read_text(encoding="utf-8") + token, encoding="utf-8")

    _start()

    (event,) = _recorded(database_url)
    assert {change.get("token", change.get("source")) for change in event["changes"]} == {"clinic"}
    assert not any("source" in change for change in event["changes"])


def test_a_start_with_the_same_configuration_records_nothing(file: Path, database_url: str):
    _start()

    assert _recorded(database_url) == []


def test_a_start_that_is_refused_records_nothing(file: Path, database_url: str):
    (file.parent / "no-folder").touch()
    text = file.read_text(encoding="utf-8")
    spools = 'mode = "proxy"\nforward_to = "http://127.0.0.1:3000"\non_store_failure = "spool"\n'
    text = text.replace("[service]\n", '[service]\nspool_folder = "no-folder/spool"\n')
    file.write_text(text.replace("[sources.captions]\n", f"[sources.captions]\n{spools}"), encoding="utf-8")

    refused = CliRunner().invoke(command_line(commands()), ["serve"])

    assert (refused.exit_code, "on_store_failure" in refused.output) == (2, True)
    assert _recorded(database_url) == []


def _start() -> None:
    start(load(None, os.environ)).engine.dispose()


def _recorded(url: str) -> list[dict[str, Any]]:
    engine = open_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT body FROM payloads WHERE source = 'hookfold'").all()
    engine.dispose()
    return [json.loads(bytes(body)) for (body,) in rows]
