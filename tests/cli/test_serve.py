"""`hookfold serve`: options, settings, and the first webhook to try. The serving itself is another's business."""

import os
import shlex
import subprocess
from http.client import HTTPConnection
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner

from adapters.cli import Commands, Serving, command_line
from adapters.cli.running.hello import hello
from adapters.config import ConfigError, load, write_template

UNSIGNED = """
[sources.captions]
provider = "mentraos"
"""
AMPS = """
[sources.energy]
provider = "amps"
secrets = ["env:AMPS_SECRET"]
"""


def paste(text: str) -> tuple[int, dict[str, str]]:
    """Sends what the printed `curl` would send; status and headers of the answer."""
    command = text[text.index("  curl -i") :].split("\n\n", maxsplit=1)[0]
    words = iter(shlex.split(command.replace("\\\n", " ")))
    url, headers, body = "", {}, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "--data-raw":
            body = next(words)
        elif word.startswith("http"):
            url = word
    connection = HTTPConnection(urlsplit(url).netloc)
    connection.request("POST", urlsplit(url).path, body.encode(), headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def test_options_come_before_the_environment(run, served, elsewhere, monkeypatch):
    run("init")
    monkeypatch.setenv("HOOKFOLD_PORT", "1")

    result = run("serve", "--port", "0", "--database", "sqlite:///here.db", "--host", "127.0.0.2", "--processes", "2")

    settings, serving = served[0]
    assert result.exit_code == 0
    assert settings.port > 1
    assert (settings.database_url, serving) == ("sqlite:///here.db", Serving("127.0.0.2", 2))


def test_the_processes_that_serve_read_the_same_settings(run, served, elsewhere):
    run("init", "--config", "other.toml")

    run("serve", "--config", "other.toml")

    assert load(None, os.environ).port == served[0][0].port
    assert set(load(None, os.environ).sources) == set(served[0][0].sources)


def test_a_service_that_only_reads_is_asked_to_write_nothing(run, served, elsewhere):
    run("init")

    assert run("serve", "--read-only").exit_code == 0
    refused = run("serve", "--read-only", "--rebuild-on-start")

    assert [serving.read_only for _, serving in served] == [True]
    assert refused.exit_code == 2
    assert "--rebuild-on-start" in refused.output


@pytest.mark.parametrize("text", ["[sources.x]\nprovider = 'nobody'", "[servise]", "not toml", AMPS])
def test_a_wrong_configuration_stops_the_start_with_the_file_and_the_mend(run, served, elsewhere, text):
    (elsewhere / "hookfold.toml").write_text(text)

    result = run("serve")

    assert result.exit_code == 2
    assert "hookfold.toml" in result.output
    assert served == []


def test_a_port_that_somebody_listens_on_is_never_shared(run, served, service):
    result = run("serve")

    assert result.exit_code == 2
    assert "HOOKFOLD_PORT" in result.output
    assert served == []


def test_an_address_that_is_not_ours_is_refused(run, served):
    run("init")

    result = run("serve", "--host", "192.0.2.1")

    assert result.exit_code == 2
    assert "192.0.2.1" in result.output


def test_without_a_configuration_it_says_how_to_get_one(run, served):
    result = run("serve")

    assert result.exit_code == 2
    assert "hookfold init" in result.output


def test_the_printed_curl_is_taken_when_pasted(service, now):
    status, headers = paste(hello(service, now))

    assert (status, headers["hookfold-verdict"]) == (200, "new")


@pytest.mark.parametrize(
    ("ref", "given"), [("env:DASHBOARD", "$DASHBOARD"), ("file:my token", r"$(tr -d '\r\n' < 'my token')")]
)
def test_the_printed_question_names_where_a_token_that_may_read_is(run, elsewhere, monkeypatch, ref, given):
    monkeypatch.setenv("DASHBOARD", "dashboard-token-0123456789")
    (elsewhere / "my token").write_bytes(b"dashboard-token-0123456789\r\n")
    monkeypatch.setenv("ROBOT", "robot-token-0123456789")
    tokens = f"[tokens.robot]\nsecret = 'env:ROBOT'\nscopes = ['act']\n[tokens.me]\nsecret = '{ref}'\nscopes = ['read']"
    (elsewhere / "hookfold.toml").write_text(UNSIGNED + tokens)

    result = run("serve", "--hello")

    assert f'/v1/sessions -H "Authorization: Bearer {given}"\n' in result.output
    assert "0123456789" not in result.output
    shown = subprocess.check_output(["sh", "-c", f'printf %s "{given}"'])
    assert shown == b"dashboard-token-0123456789"


def test_where_no_token_may_read_no_question_is_printed(run, elsewhere, monkeypatch):
    monkeypatch.setenv("ROBOT", "robot-token-0123456789")
    tokens = "[tokens.robot]\nsecret = 'env:ROBOT'\nscopes = ['act']"
    (elsewhere / "hookfold.toml").write_text(UNSIGNED + tokens)

    result = run("serve", "--hello")

    assert "/v1/sessions" not in result.output
    assert "told to a token with the scope read: hookfold.toml has none" in result.output


@pytest.mark.parametrize("text", [UNSIGNED, AMPS])
def test_there_is_a_curl_for_whichever_source_there_is(run, served, elsewhere, monkeypatch, text):
    monkeypatch.setenv("AMPS_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    (elsewhere / "hookfold.toml").write_text(text)

    result = run("serve", "--hello")

    assert result.exit_code == 0
    assert f"curl -i http://127.0.0.1:{served[0][0].port}/in/" in result.output
    assert "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" not in result.output


def test_settings_that_do_not_fit_the_database_stop_the_start(elsewhere):
    def serve(settings, _serving):
        raise ConfigError(settings.path, "service.secret", "give the old one back")

    write_template(elsewhere / "hookfold.toml")

    result = CliRunner().invoke(command_line(Commands(serve, print, lambda _url: (None, None))), ["serve"])

    assert result.exit_code == 2
    assert "service.secret: give the old one back" in result.output


def test_without_any_source_it_says_so(run, served, elsewhere):
    (elsewhere / "hookfold.toml").write_text("")

    result = run("serve", "--hello")

    assert "no source to receive from: add [sources.NAME] with its provider to hookfold.toml" in result.output
