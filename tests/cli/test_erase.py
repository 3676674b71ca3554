"""`hookfold audit erase`, `retain` and `retract`, as they are typed."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import app
from adapters.audit.keys import SigningKey, check
from adapters.cli import command_line
from adapters.config import Settings, load, write_template
from adapters.sql import Entry, open_engine
from core.event import SECOND
from core.ids import Ids
from core.proofs import note
from tests.support.logs import NOON, wms
from wiring.opening import open_components

HEAD = "hookfold erasure certificate v1"
_WRONG = "Error: the certificate other.txt does not fit: {}\n"
USER = "anna.secret@example.com"
START = {
    "type": "session_request",
    "sessionId": f"{USER}-com.example.captions",
    "userId": USER,
    "timestamp": "2026-01-01T12:00:00.000Z",
}

Run = Callable[..., Result]


@pytest.fixture
def house(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A service that received one session."""
    monkeypatch.setenv("HOOKFOLD_DATABASE_URL", database_url)
    write_template(elsewhere / "hookfold.toml")
    _send(load(None, os.environ), START)
    return load(None, os.environ)


@pytest.fixture
def run() -> Run:
    line = command_line(app.commands())
    return lambda *words, **given: CliRunner().invoke(line, ["audit", *map(str, words)], **given)


def test_a_user_is_erased_and_the_certificate_is_signed(house: Settings, run: Run, tmp_path: Path):
    certificate = tmp_path / "certificate.txt"

    done = run("erase", "--user", "-", "--reason", "asked for", "--yes", "-o", certificate, input=f"{USER}\n")

    assert done.exit_code == 0, done.output
    opened = note.opened(certificate.read_text(encoding="utf-8"), app.commands().key(house), check)
    head, document = opened.text.splitlines()
    told = json.loads(document)
    assert head == HEAD
    assert (told["streams"], told["events"], told["reason"], told["who"]) == (1, 1, "asked for", "local")
    assert (told["searched"], told["left"]) == (2, 0)
    assert USER not in certificate.read_text(encoding="utf-8")
    assert _bodies(house, "captions") == [None]


def test_a_certificate_that_cannot_be_written_to_its_file_is_printed(house: Settings, run: Run, tmp_path: Path):
    done = run("erase", "--user", USER, "--reason", "x", "--yes", "-o", tmp_path / "no" / "folder.txt")

    certificate = done.stderr[done.stderr.index(HEAD) : done.stderr.index("Error: the certificate cannot be written")]
    opened = note.opened(certificate, app.commands().key(house), check)
    assert (done.exit_code, json.loads(opened.text.splitlines()[1])["streams"]) == (1, 1)
    assert _bodies(house, "captions") == [None]


def test_the_certificate_names_what_was_erased_and_fits_the_log_that_it_is_of(
    house: Settings, run: Run, tmp_path: Path
):
    _send(house, START | {"sessionId": "ben-com.example.captions", "userId": "ben"})
    session = Ids(house.service.key).of("session", "captions", START["sessionId"])
    certificate = tmp_path / "certificate.txt"
    run("erase", "--user", USER, "--reason", "asked for", "--yes", "-o", certificate)

    key = str(app.commands().key(house))
    fits = run("verify", "--database", house.database_url, "--key", key, "--certificate", certificate)

    said = json.loads(certificate.read_text(encoding="utf-8").splitlines()[1])
    assert (said["stream_ids"], said["erased"], said["positions"]) == ([session], [[1, 1]], [3])
    assert fits.exit_code == 0, fits.output
    assert "fits: 1 stream and 1 event (position 1) were erased, and nothing else by this erasure" in fits.stdout
    assert "this certificate names 1 of the 1 erased event of this log" in fits.stdout


def test_a_certificate_that_leaves_something_out_does_not_fit(house: Settings, run: Run, tmp_path: Path):
    _send(house, START | {"sessionId": "ben-com.example.captions", "userId": "ben"})
    certificate = tmp_path / "certificate.txt"
    run(
        "erase", "--source", "captions", "--before", "2100-01-01T00:00:00Z", "--reason", "x", "--yes", "-o", certificate
    )

    def verified(**otherwise: Any) -> tuple[int, str]:
        said = json.loads(certificate.read_text(encoding="utf-8").splitlines()[1]) | otherwise
        text = SigningKey(house.service.seed, house.service.origin).attest(f"{HEAD}\n{json.dumps(said)}\n")
        Path("other.txt").write_text(text, encoding="utf-8")
        done = run("verify", "--certificate", "other.txt")
        return done.exit_code, done.stderr

    assert verified() == (0, "")
    assert verified(events=1) == (1, _WRONG.format("the log records 2 erased events, and the certificate 1"))
    assert verified(erased=[[1, 1]])[1] == _WRONG.format(
        "the log records other erased events than the certificate: 1-2"
    )
    assert verified(reason="y")[1] == _WRONG.format("the event at position 3 says that local erased it: x")
    assert verified(positions=[2])[1] == _WRONG.format("the event at position 2 does not tell of this erasure")
    assert verified(stream_ids=[])[1].startswith(_WRONG.format("the log records other streams")[:-1])


def test_a_certificate_of_an_older_release_is_read(house: Settings, run: Run, tmp_path: Path):
    certificate = tmp_path / "certificate.txt"
    run("erase", "--user", USER, "--reason", "asked for", "--yes", "-o", certificate)
    said = json.loads(certificate.read_text(encoding="utf-8").splitlines()[1])
    old = {name: value for name, value in said.items() if name not in {"stream_ids", "erased", "erased_sha256"}}
    signing = SigningKey(house.service.seed, house.service.origin)
    certificate.write_text(signing.attest(f"{HEAD}\n{json.dumps(old)}\n"), encoding="utf-8")

    fits = run("verify", "--certificate", certificate, "--json")
    told = run("verify", "--certificate", certificate)

    assert (fits.exit_code, json.loads(fits.stdout)["certificates"][0]["erased"]) == (0, [[1, 1]])
    assert "it is of an older release and names no events: these are the log's" in told.stdout


def test_what_the_log_did_not_sign_is_no_certificate(house: Settings, run: Run, tmp_path: Path):
    (tmp_path / "forged.txt").write_text(SigningKey(b"x" * 32, "other").attest(f"{HEAD}\n{{}}\n"), encoding="utf-8")

    done = run("verify", "--certificate", tmp_path / "forged.txt")

    assert done.exit_code == 1
    assert "is no certificate of an erasure in this log" in done.stderr


def test_verification_is_green_after_an_erasure(house: Settings, run: Run):
    run("erase", "--user", USER, "--reason", "asked for", "--yes")

    verdict = run("verify", "--json")

    assert verdict.exit_code == 0, verdict.output
    assert json.loads(verdict.stdout)["erased"] == 1


def test_a_program_reads_what_was_erased_with_its_certificate(house: Settings, run: Run, tmp_path: Path):
    asked = ("--reason", "asked for", "--yes", "--json", "-o", tmp_path / "certificate.txt")

    told = json.loads(run("erase", "--user", USER, *asked).stdout)

    certificate = (tmp_path / "certificate.txt").read_text(encoding="utf-8")
    assert told == {"streams": 1, "loose_events": 0, "rejections": 0, "certificate": certificate}


def test_a_dry_run_tells_and_does_nothing(house: Settings, run: Run):
    told = run("erase", "--user", USER, "--reason", "asked for", "--dry-run", "--json")

    assert json.loads(told.stdout) == {"streams": 1, "loose_events": 0, "rejections": 0}
    assert _bodies(house, "captions") != [None]


def test_who_does_not_say_yes_erases_nothing(house: Settings, run: Run):
    asked = run("erase", "--user", USER, "--reason", "asked for", input="n\n")

    assert asked.exit_code == 1
    assert _bodies(house, "captions") != [None]


@pytest.mark.parametrize(
    "words",
    [
        ("--reason", "x"),
        ("--reason", "x", "--source", "clinic"),
        ("--reason", "x", "--user", "a", "--session", "b"),
        ("--reason", "x", "--source", "hookfold", "--before", "2026-01-01T00:00:00Z"),
        ("--reason", "x", "--source", "clinic", "--before", "yesterday"),
        ("--reason", "x", "--source", "clinic", "--before", "2026-01-01T00:00:00"),
    ],
)
def test_what_is_asked_for_in_two_ways_or_none_is_refused(house: Settings, run: Run, words: tuple[str, ...]):
    assert run("erase", *words).exit_code == 2


@pytest.mark.parametrize("words", [(), ("--json",)])
def test_what_is_older_than_its_source_may_be_kept_goes(
    house: Settings, run: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
):
    text = house.path.read_text(encoding="utf-8")
    house.path.write_text(text.replace("[sources.captions]", '[sources.captions]\nkeep_for = "30d"'), encoding="utf-8")
    early = run("retain", "--json")
    later = time.time_ns() + 31 * 86_400 * SECOND * 1_000
    monkeypatch.setattr(time, "time_ns", lambda: later)

    dry, done = run("retain", "--dry-run", "--json"), run("retain", *words)

    nothing = {"streams": 0, "loose_events": 0, "rejections": 0}
    assert json.loads(early.stdout)["captions"] == nothing
    assert json.loads(dry.stdout)["captions"] == nothing | {"streams": 1}
    assert (done.exit_code, HEAD in done.stdout) == (0, True), done.output
    assert _bodies(house, "captions") == [None]
    if words:
        certificate = json.loads(done.stdout)["captions"]["certificate"]
        assert note.opened(certificate, app.commands().key(house), check).text.startswith(HEAD)


@pytest.mark.parametrize("option", ["--session", "--stream"])
def test_a_providers_id_where_ours_is_wanted_is_no_answer_that_nothing_is_there(house: Settings, run: Run, option: str):
    done = run("erase", option, START["sessionId"], "--reason", "asked for", "--yes")

    assert done.exit_code == 2
    assert f"{option} {START['sessionId']}: this is no id of ours (ses_…" in done.stderr
    assert f"/v1/sessions?session_id={START['sessionId']}" in done.stderr


@pytest.mark.parametrize("option", ["--session", "--stream"])
def test_for_a_measurement_the_session_to_erase_is_named(house: Settings, run: Run, option: str):
    _measure(house)
    with app.commands().asking(house) as ask:
        (measurement,) = json.loads(ask("/v1/measurements", {})[1])["data"]

    named = run("erase", option, measurement["id"], "--reason", "asked for", "--yes")
    unknown = run("erase", option, f"mea_{'a' * 26}", "--reason", "asked for", "--yes")

    told = "is a measurement: erase its visit, with the visit's other measurements: --session"
    assert (named.exit_code, unknown.exit_code) == (2, 2)
    assert f"{measurement['id']} {told} {measurement['session']}\n" in named.stderr
    assert f"{told} ses_…\n" in unknown.stderr


def test_an_event_is_retracted_once(house: Settings, run: Run):
    first = run("retract", 1, "--reason", "forged")
    second = run("retract", 1, "--reason", "forged")

    assert (first.exit_code, first.stdout) == (0, "retracted, as the event at position 2 tells\n")
    assert second.exit_code == 1
    assert "already, by the event at position 2" in second.output


def test_a_program_reads_which_event_tells_of_a_retraction(house: Settings, run: Run):
    told = run("retract", 1, "--reason", "forged", "--json")

    assert json.loads(told.stdout) == {"position": 1, "retraction": 2}


def test_a_program_reads_where_a_bundle_is(house: Settings, run: Run, tmp_path: Path):
    session = Ids(house.service.key).of("session", "captions", START["sessionId"])

    told = json.loads(run("bundle", session, "--json").stdout)
    named = json.loads(run("bundle", session, "-o", tmp_path / "it.zip", "--json").stdout)

    assert (told, named) == ({"file": f"evidence-{session}.zip"}, {"file": f"{tmp_path}/it.zip"})
    assert Path(told["file"]).stat().st_size > 0


def _send(settings: Settings, document: dict[str, Any]) -> None:
    parts = open_components(settings)
    log = parts.log()
    client: Any = parts.flask(parts.door(), lambda entry: log.append([entry])[0]).test_client()
    assert client.post("/in/captions", json=document).status_code == 200
    log.close()
    parts.engine.dispose()


def _measure(settings: Settings) -> None:
    parts, body = open_components(settings), json.dumps(wms("visit-1", 0, "MEASUREMENT_STARTED")).encode()
    log, provider = parts.log(), parts.providers["clinic"]
    reading = provider.read(body)
    log.append([Entry("clinic", NOON, [], body, "file:x", provider.identity([], body, reading), reading)])
    log.close()
    parts.engine.dispose()


def _bodies(settings: Settings, source: str) -> list[Any]:
    engine = open_engine(settings.database_url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(f"SELECT body FROM payloads WHERE source = '{source}'").all()
    engine.dispose()
    return [body for (body,) in rows]


def test_who_is_read_from_standard_input_cannot_be_asked_there(run: Run):
    done = run("erase", "--user", "-", "--reason", "asked for", input=f"{USER}\n")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "--yes" in done.stderr
