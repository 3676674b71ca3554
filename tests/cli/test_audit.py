"""`hookfold audit`, from the key to the first wrong position."""

import json
import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from click.testing import CliRunner

from adapters.cli import command_line
from adapters.config import load
from app import commands
from core.proofs.note import Key, Proof
from tests.support.audited import Audited

SECRETS = {"CLINIC": "wms-test-secret-0123456789abcdef"}
CONFIGURATION = """
[service]
secret = "env:SERVICE"
signing_key = "file:keys/log"
origin = "log.example.com"

[sources.clinic]
provider = "wms"
secrets = ["env:CLINIC"]

[sources.captions]
provider = "mentraos"
"""


@pytest.fixture
def log(elsewhere: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Audited]:
    """A log of twenty events behind a configuration that names its database."""
    for name, value in {**SECRETS, "SERVICE": "s" * 64, "HOOKFOLD_DATABASE_URL": database_url}.items():
        monkeypatch.setenv(name, value)
    (elsewhere / "hookfold.toml").write_text(CONFIGURATION)
    (elsewhere / "keys").mkdir()
    (elsewhere / "keys/log").write_text("1f" * 32)
    made = Audited(database_url)
    made.grow_of_every_kind(0, 20)
    yield made
    made.close()


def audit(*words: object, given: str | None = None) -> Any:
    """Types a command under `hookfold audit`."""
    return CliRunner().invoke(command_line(commands()), ["audit", *map(str, words)], input=given)


def test_a_log_that_is_as_it_was_is_verified(log: Audited):
    audit("checkpoint")

    result = audit("verify")

    assert result.exit_code == 0, result.output
    assert "20 events are as they were recorded" in result.output
    assert "1 checkpoint and 1 node fit" in result.output


def test_a_program_reads_the_verdict_as_json(log: Audited):
    audit("checkpoint")

    found = json.loads(audit("verify", "--json").stdout)

    assert (found["ok"], found["first_wrong"], found["size"], found["checkpoints"]) == (True, None, 20, 1)


def test_a_program_reads_what_was_signed(log: Audited, elsewhere: Path):
    told = json.loads(audit("checkpoint", "--json", "--to", elsewhere / "kept", "--to", "-").stdout)

    note = (elsewhere / "kept").read_text()
    origin, size, root = note.splitlines()[:3]
    assert told == {"origin": origin, "size": int(size), "root": root, "checkpoint": note}


def test_a_program_reads_a_proof_as_the_api_tells_it(log: Audited, elsewhere: Path):
    told = json.loads(audit("proof", 7, "--json", "-o", elsewhere / "7.tlog-proof").stdout)

    with commands().asking(load(elsewhere / "hookfold.toml", os.environ)) as ask:
        assert json.loads(ask("/v1/audit/proof", {"position": "7"})[1]) == told
    assert Proof.parse((elsewhere / "7.tlog-proof").read_text()).checkpoint == told["checkpoint"]


def test_a_program_reads_the_key(log: Audited):
    told = json.loads(audit("key", "--json").stdout)

    key = Key.parse(told["key"])
    assert told == {"name": "log.example.com", "id": key.id.hex(), "key": str(key)}


def test_the_first_wrong_position_is_named_and_the_exit_code_is_1(log: Audited):
    log.tamper("UPDATE payloads SET headers = body WHERE position IN (7, 12)")

    result, told = audit("verify"), audit("verify", "--json")

    assert (result.exit_code, told.exit_code) == (1, 1)
    assert "wrong at position 7 (event)" in result.output
    assert json.loads(told.stdout)["first_wrong"]["position"] == 7


def test_a_range_is_named_where_no_more_is_known(log: Audited):
    audit("checkpoint")
    log.tamper("DELETE FROM checkpoints")

    assert "wrong at one of the positions 1 to 20 (checkpoint)" in audit("verify").output


def test_the_log_is_an_extension_of_a_checkpoint_that_was_kept(log: Audited, elsewhere: Path):
    audit("checkpoint", "--to", elsewhere / "kept")
    log.grow(5)

    from_file = audit("verify", "--against", elsewhere / "kept")
    from_input = audit("verify", "--against", "-", given=(elsewhere / "kept").read_text())

    assert (from_file.exit_code, from_input.exit_code) == (0, 0), from_file.output
    assert f"the checkpoint {elsewhere / 'kept'} over 20 positions fits" in from_file.stdout


def test_a_log_that_was_begun_anew_is_no_extension(log: Audited, elsewhere: Path):
    audit("checkpoint", "--to", elsewhere / "kept")
    log.tamper(*(f"DELETE FROM {table}" for table in ("events", "payloads", "nodes", "checkpoints")))
    log.tamper("DELETE FROM service WHERE name = 'checkpoint'")

    alone, against = audit("verify"), audit("verify", "--against", elsewhere / "kept")

    assert (alone.exit_code, against.exit_code) == (0, 1)
    assert "20 events are missing at the end, and the rest is whole" in against.output
    assert "the log ends here, and a checkpoint kept elsewhere covers 20 positions" in against.output


def test_a_checkpoint_of_another_log_proves_nothing(log: Audited, elsewhere: Path):
    (elsewhere / "other").write_text(log.signer.checkpoint())

    assert audit("verify", "--against", elsewhere / "other").exit_code == 1
    assert audit("verify", "--against", elsewhere / "absent").exit_code == 2


def test_who_has_only_the_database_and_the_key_verifies_too(log: Audited, elsewhere: Path, database_url: str):
    audit("checkpoint")
    key = audit("key").stdout.strip()
    (elsewhere / "hookfold.toml").unlink()

    result = audit("verify", "--key", key, "--database", database_url)

    assert result.exit_code == 0, result.output
    assert "4 unknown types of sources that are no longer configured were not compared" in result.output
    assert audit("verify", "--key", "nonsense", "--database", database_url).exit_code == 2
    assert audit("verify", "--key", str(log.signer.key), "--database", database_url).exit_code == 1


def test_the_key_is_that_of_the_configuration(log: Audited, elsewhere: Path):
    key = Key.parse(audit("key").stdout)

    assert key.name == "log.example.com"
    assert load(elsewhere / "hookfold.toml", {**SECRETS, "SERVICE": "s" * 64}).service.seed


def test_another_key_is_refused_once_the_log_has_one(log: Audited, elsewhere: Path):
    audit("checkpoint")
    (elsewhere / "keys/log").write_text("0f" * 32)

    result = audit("checkpoint")

    assert result.exit_code == 2
    assert "service.signing_key: the checkpoints of this database are signed by log.example.com+" in result.output


def test_a_proof_is_written_for_any_verifier(log: Audited, elsewhere: Path):
    result = audit("proof", 7, "-o", elsewhere / "7.tlog-proof")
    shown = audit("proof", 7, "--size", 20)

    proof = Proof.parse((elsewhere / "7.tlog-proof").read_text())
    assert (result.exit_code, proof.index, proof.text()) == (0, 6, shown.stdout)


def test_a_proof_that_cannot_be_written_is_told_in_a_line(log: Audited, elsewhere: Path):
    result = audit("proof", 7, "-o", elsewhere / "no" / "folder")

    assert (result.exit_code, result.stderr.startswith("Error: the proof cannot be written: ")) == (1, True)


@pytest.mark.parametrize("words", [(21,), (7, "--size", 9), (7, "--size", 5), (7, "--size", 21)])
def test_what_cannot_be_proven_is_told_in_a_line(log: Audited, words: tuple[object, ...]):
    audit("checkpoint")

    result = audit("proof", *words)

    assert result.exit_code == 1
    assert len(result.output.splitlines()) == 1, result.output


def test_a_checkpoint_is_sent_to_a_file_a_command_and_a_url(log: Audited, elsewhere: Path, mailbox: list[str]):
    url = mailbox.pop()

    result = audit(
        "checkpoint", "--to", elsewhere / "kept", "--to", f"|tee {elsewhere}/piped", "--to", url, "--to", "-"
    )

    assert result.exit_code == 0, result.output
    assert result.stdout.endswith((elsewhere / "kept").read_text())
    assert (elsewhere / "kept").read_text() == (elsewhere / "piped").read_text() == mailbox.pop()


@pytest.mark.parametrize("to", ["/nowhere/at/all", "|false", "|no-such-command", "http://127.0.0.1:1/"])
def test_a_place_that_does_not_take_it_is_told_in_a_line(log: Audited, to: str):
    result = audit("checkpoint", "--to", to)

    assert result.exit_code == 1
    assert "could not be sent" in result.output


def test_an_empty_log_has_nothing_to_sign(log: Audited):
    log.tamper("DELETE FROM events", "DELETE FROM payloads")

    result = audit("checkpoint")

    assert (result.exit_code, "empty" in result.output) == (1, True)


def test_a_database_of_another_release_is_told_in_a_line(log: Audited, empty_database_url: str, elsewhere: Path):
    (elsewhere / "empty.db").touch()

    result = audit("verify", "--database", empty_database_url)

    assert result.exit_code == 1
    assert "it is at revision none" in result.output


@pytest.fixture
def mailbox() -> Iterator[list[str]]:
    """A URL that takes letters: the list holds its address, then what came."""
    letters: list[str] = []

    class Box(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            letters.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Box)
    thread = Thread(target=server.serve_forever)
    thread.start()
    letters.append(f"http://127.0.0.1:{server.server_port}/")
    yield letters
    server.shutdown()
    thread.join()
    server.server_close()
