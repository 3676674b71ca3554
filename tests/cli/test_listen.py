"""`hookfold listen`: deliveries as they come, with what became of them."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

import app
from adapters.cli import command_line
from adapters.config import load, write_template
from adapters.sql import Entry, Log, Receipt, Recorder, Rejection
from wiring.components import Components
from wiring.opening import open_components

DAY = 1_700_000_000


class Recorded:
    """A log that has something of everything, for who begins behind position 0."""

    def __init__(self) -> None:
        self.parts: Components = open_components(load(None, os.environ))
        self.log: Log = self.parts.log()
        for number, event in enumerate(["WMS_LOADED", "PAGE_\x1b[2J", "CONFIGURATION_LOADED"]):
            self.log.append([self.entry("clinic", {"sequence": number, "event": event, "timestamp": DAY + number})])

    def entry(self, source: str, document: dict[str, Any]) -> Entry:
        body, provider = json.dumps({"sessionId": "scan", **document}).encode(), self.parts.providers[source]
        reading = provider.read(body)
        identity = provider.identity([], body, reading)
        return Entry(source, DAY * 1_000_000, [], body, "file:x", identity, reading, provider.keyed_by_body)

    def append(self, entry: Entry) -> Receipt:
        return self.log.append([entry])[0]

    def reject(self) -> None:
        self.log.append([Rejection("clinic", DAY, [], b"{}", 2, 401, "signature_mismatch", "no secret made it")])

    def close(self) -> None:
        self.log.close()
        self.parts.engine.dispose()


@pytest.fixture
def recorded(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    write_template(elsewhere / "hookfold.toml")
    found = Recorded()
    yield found
    found.close()


@pytest.fixture
def run() -> Callable[..., Result]:
    line = command_line(app.commands())
    return lambda *words: CliRunner().invoke(line, ["listen", *map(str, words)])


def test_each_event_is_a_line_with_the_state_that_it_left(run: Callable[..., Result], recorded: Recorded):
    result = run("--after", 0, "--limit", 3)

    assert result.exit_code == 0, result.output
    first, second, third = result.stdout.splitlines()
    assert first.split()[1:] == ["1", "new", "clinic", "WMS_LOADED", "scan", "->", "loaded"]
    assert "unknown_type" in second
    assert "\x1b" not in result.stdout
    assert third.split()[4:] == ["CONFIGURATION_LOADED", "scan", "->", "configured"]


def test_filters_leave_what_is_wanted(run: Callable[..., Result], recorded: Recorded):
    found = json.loads(run("--after", 0, "--limit", 1, "--type", "CONF*", "--source", "clinic", "--json").stdout)

    assert (found["position"], found["type"], found["state"]) == (3, "CONFIGURATION_LOADED", "configured")


def test_what_was_rejected_while_it_listens_says_why(
    run: Callable[..., Result], recorded: Recorded, monkeypatch: pytest.MonkeyPatch
):
    recorded.reject()
    monkeypatch.setattr("adapters.cli.trial.listen.time.sleep", lambda _: recorded.reject())

    (line,) = run("--verdict", "rejected", "--limit", 1).stdout.splitlines()

    assert line.split(maxsplit=4)[1:] == ["-", "rejected", "clinic", "signature_mismatch  no secret made it"]


def test_a_terminal_gets_colours(run: Callable[..., Result], recorded: Recorded):
    told = CliRunner().invoke(command_line(app.commands()), ["listen", "--after", "0", "--limit", "1"], color=True)

    assert click.style("new      ", fg="green") in told.stdout


def test_what_a_handler_answered_is_told_with_the_source_that_it_is_of(run: Callable[..., Result], recorded: Recorded):
    recorder = Recorder(recorded.append, lambda: DAY * 1_000_000, "http")
    recorder.record("forwarded", source="clinic", status=500, failure=None)
    recorder.record("forwarded", source="energy", status=None, failure="unreachable")

    first, second = run("--after", 3, "--limit", 2).stdout.splitlines()

    assert first.split()[3:] == ["hookfold", "forwarded", "->", "500", "clinic"]
    assert second.split()[3:] == ["hookfold", "forwarded", "->", "unreachable", "energy"]
