"""`hookfold replay` as it is typed."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.cli import command_line
from adapters.config import load, write_template
from adapters.sql import Entry
from app import commands
from wiring.opening import open_components


@pytest.fixture
def typed(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Types the command in a folder with a configuration and an empty log."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", sqlite_url)
    write_template(elsewhere / "hookfold.toml")
    line = command_line(commands())
    return lambda *words: CliRunner().invoke(line, ["replay", *words])


def test_a_replay_switches_and_tells_how_to_go_back(typed):
    result = typed()

    assert result.exit_code == 0
    assert result.stdout.count(" serves\n") == 5
    assert "hookfold replay rollback" in result.stdout


def test_the_status_tells_every_version_to_people_and_to_programs(typed):
    typed()

    told, data = typed("--status").stdout, json.loads(typed("--status", "--json").stdout)

    assert "the log is at position 2" in told  # which tells of the switch, behind one that tells of the replay
    assert {one["status"] for one in data["versions"]} == {"serving", "retired"}
    assert data["lag"] == 0


def test_there_and_back_and_away(typed):
    typed()

    assert typed("--rollback").stdout.count("serves again") == 5
    assert typed("--drop").stdout.count("is gone") == 5
    assert typed("--rollback").exit_code == 1


def test_a_rollback_goes_to_the_version_that_is_named(typed):
    typed("run", "--machine", "device")
    typed("run", "--machine", "device")
    every = json.loads(typed("status", "--json").stdout)["versions"]
    first, second, third = [one["version"] for one in every if one["machine"] == "device"]

    named = typed("rollback", "--to", first)

    assert named.stdout.startswith(f"device: version {first} serves again\n")
    assert "no service runs over this log now" in named.stdout
    assert f"version {first} is serving" in typed("rollback", "--to", first).stderr.replace("\n", " ")
    assert "there is no version 1.0" in typed("rollback", "--to", "1.0").stderr
    assert typed("rollback", "--to", third, "--machine", "session").exit_code == 1
    assert (typed("rollback", "--to", second).exit_code, typed("rollback", "--to", third).exit_code) == (0, 0)


def test_a_version_that_is_only_built_waits_for_the_next_replay(typed):
    typed("--no-switch", "--machine", "device")
    data = json.loads(typed("--status", "--json").stdout)
    assert sorted(one["status"] for one in data["versions"] if one["machine"] == "device") == ["ready", "serving"]

    typed("--machine", "device")

    data = json.loads(typed("--status", "--json").stdout)
    assert sorted(one["status"] for one in data["versions"] if one["machine"] == "device") == ["retired", "serving"]


def test_nothing_would_change_is_exit_code_0(typed):
    typed()

    result = typed("--diff")

    assert (result.exit_code, "nothing would change" in result.stdout) == (0, True)
    assert json.loads(typed("--diff", "--json").stdout)["changes"] == []


@pytest.mark.parametrize(
    "words",
    [
        ("--since", "yesterday"),
        ("--since", "1970-01-01", "--drop"),
        ("--reread", "--source", "nobody"),
        ("--machine", "x"),
    ],
)
def test_what_cannot_be_asked_for_is_told(typed, words):
    assert typed(*words).exit_code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--rollback --drop", "--rollback goes with --machine and --to only, not with --drop"),
        ("--diff --rollback", "--diff goes with --machine and --source only, not with --rollback"),
        ("--diff --kind session", "--diff goes with --machine and --source only, not with --kind"),
        ("--drop --machine device", "--drop goes alone, not with --machine"),
        ("--status --kind device", "--status goes alone, not with --kind"),
        ("--reread --stream ses_x", "--reread goes with --source only, not with --stream"),
        ("--why because", "--why and --output go with --capture ID only"),
        ("--kind device --no-switch", "--source, --stream, --kind and --since go with each other only"),
        ("--capture ses_x --machine device", "--capture goes with --why and --output only, not with --machine"),
    ],
)
def test_options_that_do_not_go_together_are_refused_and_nothing_is_done(typed, words, told):
    typed()
    before = typed("--status", "--json").stdout

    result = typed(*words.split())

    assert result.exit_code == 2
    assert told in result.stderr
    assert typed("--status", "--json").stdout == before


@pytest.mark.parametrize("time", ["2026-01-02", "2026-01-02T00:00:00", "2026-01-02T01:00:00+01:00"])
def test_a_day_and_a_time_choose_what_was_recorded_since(typed, time):
    _receive()

    assert typed("--since", time).stdout == "1 stream folded anew\n"
    assert typed("--since", time.replace("2026", "2999")).stdout == "0 streams folded anew\n"


def test_a_source_or_a_stream_that_is_not_there_is_told_and_nothing_is_folded(typed):
    source, stream = typed("--source", "captoins"), typed("--stream", "ses_" + "a" * 26)

    assert (source.exit_code, stream.exit_code) == (2, 1)
    assert "there is no source captoins: there are captions, clinic, " in source.stderr
    assert "there is no stream ses_aaa" in stream.stderr
    assert json.loads(typed("--status", "--json").stdout)["position"] == 0


def test_what_this_code_built_beside_what_serves_is_told_as_its_own(typed):
    typed("--no-switch", "--machine", "device")
    lines = [line for line in typed("--status").stdout.splitlines() if line.startswith("device")]
    typed("--machine", "device")
    after = [line for line in typed("--status").stdout.splitlines() if line.startswith("device")]

    assert all(" this code" in line for line in lines)
    assert [line for line in lines if "ready" in line]
    assert [line for line in after if "retired" in line and "an earlier build of this code" in line]


def test_every_mode_answers_programs_in_json(typed):
    rebuilt = json.loads(typed("--json").stdout)
    part = json.loads(typed("--source", "captions", "--json").stdout)
    reread = json.loads(typed("--reread", "--json").stdout)
    back = json.loads(typed("--rollback", "--json").stdout)
    dropped = json.loads(typed("--drop", "--json").stdout)

    assert (rebuilt["serves"], rebuilt["streams"], len(rebuilt["versions"])) == (True, 0, 5)
    assert part == {"streams": 0, "failed": 0}
    assert reread == {"looked_at": 0, "read": {}}
    assert len(back["versions"]) == len(dropped["versions"]) == 5


def test_a_capture_into_a_file_is_told_to_programs(typed):
    stream = _receive()

    result = typed("--capture", stream, "-o", "story.json", "--json")

    assert json.loads(result.stdout) == {"file": "story.json", "events": 1}
    assert json.loads(Path("story.json").read_text())["events"]


def test_a_capture_that_cannot_be_written_is_no_fault_of_the_database(typed):
    result = typed("--capture", _receive(), "-o", "no/folder.json")

    assert result.exit_code == 1
    assert result.stderr.startswith("Error: the history cannot be written: ")


def test_there_may_be_nothing_to_read_again(typed):
    assert "0 of 0 events" in typed("--reread").stdout


def test_a_replay_and_its_switch_are_recorded_in_the_log(typed):
    typed("--machine", "device")

    assert json.loads(typed("--status", "--json").stdout)["position"] == 2


def test_a_source_that_the_configuration_no_longer_names_is_folded_all_the_same(typed, elsewhere):
    _receive()
    configuration = elsewhere / "hookfold.toml"
    head, _, rest = configuration.read_text().partition("[sources.captions]")
    configuration.write_text(head + rest[rest.index("[sources.") if "[sources." in rest else len(rest) :])

    typed()

    data = json.loads(typed("--status", "--json").stdout)
    assert {
        one["folded"] for one in data["versions"] if one["machine"] == "session" and one["status"] == "serving"
    } == {1}


def test_each_command_does_what_its_flag_does(typed):
    stream = _receive()
    assert typed("run", "--no-switch", "--machine", "device").exit_code == 0
    typed()

    assert json.loads(typed("status", "--json").stdout) == json.loads(typed("--status", "--json").stdout)
    assert typed("diff", "--machine", "device").stdout == typed("--diff", "--machine", "device").stdout
    assert typed("capture", stream, "--why", "x").stdout == typed("--capture", stream, "--why", "x").stdout
    assert typed("run", "--kind", "session").stdout == typed("--kind", "session").stdout == "1 stream folded anew\n"
    assert typed("reread").stdout == typed("--reread").stdout
    assert typed("rollback").stdout.count("serves again") == 5
    assert typed("drop").stdout.count("is gone") > 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--json status", "put the options after the command: hookfold replay status"),
        ("run --kind device --no-switch", "--source, --stream, --kind and --since go with each other only"),
        ("drop --machine device", "No such option '--machine'"),
        ("capture", "Missing argument 'ID'"),
    ],
)
def test_a_command_takes_its_own_options_only(typed, words, told):
    result = typed(*words.split())

    assert result.exit_code == 2
    assert told in result.output


def test_the_help_shows_the_commands_and_not_the_old_flags(typed):
    shown = typed("--help").stdout

    assert "rollback" in shown
    assert "--" not in shown.replace("--help", "")


def _receive() -> str:
    """Our id of a session that began."""
    parts = open_components(load(None, dict(os.environ)))
    provider = parts.providers["captions"]
    body = b'{"type": "session_request", "sessionId": "u-p", "userId": "u", "timestamp": "2026-01-01T00:00:00Z"}'
    reading = provider.read(body)
    parts.log().append([Entry("captions", 10**15, [], body, None, provider.identity([], body, reading), reading)])
    parts.engine.dispose()
    return parts.ids.of("session", "captions", "u-p")
