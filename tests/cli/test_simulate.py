"""`hookfold simulate`, against a real service."""

import json
import socket

import pytest

from adapters.simulator import SCENARIOS, Reader


@pytest.mark.parametrize("source", ["clinic", "energy", "captions", "notes"])
def test_every_scenario_of_a_source_is_taken(run, service, source):
    result = run("simulate", "--source", source, "--json")

    verdicts = json.loads(result.stdout)["verdicts"]
    assert result.exit_code == 0
    assert set(verdicts) <= {"new", "duplicate", "conflict"}
    assert verdicts["new"] == len(Reader(f"http://127.0.0.1:{service.port}").all("/v1/events", source=source))


def test_duplicates_and_disorder_leave_the_state_of_a_straight_play(run, service):
    run("simulate", "--source", "clinic", "--scenario", "happy", "--duplicates", 1, "--disorder", 1)

    measurement = Reader(f"http://127.0.0.1:{service.port}").all("/v1/measurements")[0]
    assert (measurement["outcome"], measurement["complete"]) == ("completed", True)
    assert {anomaly["kind"] for anomaly in measurement["anomalies"]} <= {"late"}


def test_any_url_can_be_played_at_with_a_secret_from_the_environment(run, service, monkeypatch):
    monkeypatch.setenv("MAC", service.sources["clinic"].secrets[0].value)
    url = f"http://127.0.0.1:{service.port}/in/clinic/webhook"

    result = run("simulate", "--url", url, "--provider", "wms", "--secret", "env:MAC", "--scenario", "camera_denied")

    assert result.exit_code == 0
    assert "sent 4 messages" in result.output


def test_a_play_that_is_refused_ends_with_exit_code_1_and_shows_the_answer(run, service, elsewhere):
    (elsewhere / "wrong").write_text("not the secret")

    result = run("simulate", "--source", "clinic", "--scenario", "happy", "--secret", "file:wrong")

    assert result.exit_code == 1
    assert "401" in result.stderr
    assert "rejected" in result.stdout


def test_the_same_names_come_again_with_the_same_seed(run, service):
    for _ in range(2):
        run("simulate", "--source", "captions", "--scenario", "start_stop", "--seed", 7)

    assert len(Reader(f"http://127.0.0.1:{service.port}").all("/v1/sessions")) == 1


def test_a_rate_is_kept(run, service):
    result = run("simulate", "--source", "clinic", "--scenario", "camera_denied", "--rate", 50, "--json")

    assert json.loads(result.stdout)["seconds"] >= 3 / 50


def test_nobody_there_is_exit_code_1(run):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/"

        result = run("simulate", "--url", url, "--provider", "mentraos")

    assert result.exit_code == 1
    assert url in result.output
    assert "HOOKFOLD_PORT or --url" in result.output


@pytest.mark.parametrize(
    ("words", "mend"),
    [
        (["--provider", "wms"], "--url"),
        (["--url", "http://127.0.0.1:1/", "--provider", "wms"], "--secret"),
        (["--url", "http://127.0.0.1:1/", "--provider", "wms", "--secret", "s3cret"], "env:NAME"),
        (["--url", "http://127.0.0.1:1/", "--provider", "wms", "--secret", "env:NOT_THERE"], "NOT_THERE"),
        (["--url", "http://127.0.0.1:1/", "--provider", "wms", "--secret", "file:not-there"], "not-there"),
        (["--url", "http://127.0.0.1:1/", "--provider", "mentraos", "--scenario", "happy"], "start_stop"),
        (["--source", "clinic"], "hookfold init"),
    ],
)
def test_wrong_usage_is_exit_code_2_with_the_mend(run, words, mend):
    result = run("simulate", *words)

    assert result.exit_code == 2
    assert mend in result.output


def test_an_unknown_source_is_answered_with_the_known_ones(run):
    run("init")

    result = run("simulate", "--source", "nobody")

    assert result.exit_code == 2
    assert "captions, clinic, energy, notes" in result.output


def test_the_list_names_every_scenario(run):
    result = run("simulate", "--list")

    assert all(name in result.output for scenarios in SCENARIOS.values() for name in scenarios)


def test_programs_read_the_list_as_json(run):
    result = run("simulate", "--list", "--json")

    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert {(one["provider"], one["scenario"]) for one in told} >= {("wms", "happy"), ("amps", "push_completed")}
