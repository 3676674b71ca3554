"""`hookfold audit rotate-key`, what it leaves where it is interrupted, and what is refused before and after it."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from adapters.cli import command_line
from adapters.config import ConfigError, load
from adapters.sql import rotate_key
from app import commands
from core.proofs.note import Key, parse
from wiring import rotation
from wiring.appending import appending
from wiring.opening import open_components
from wiring.renewing import reload, renew_key

CONFIGURATION = """
[service]
secret = "env:SERVICE"
signing_key = "{key}"

[sources.clinic]
provider = "wms"
secrets = ["env:CLINIC"]
"""


class _Killed(BaseException):
    """In place of the end of the process."""


@pytest.fixture(autouse=True)
def log(elsewhere: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log that has a checkpoint; the file of its key."""
    environment = {"CLINIC": "a secret of a sender", "SERVICE": "s" * 64, "HOOKFOLD_DATABASE_URL": sqlite_url}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    configure("file:keys/log")
    (elsewhere / "keys").mkdir()
    commands().begin(load(None, os.environ))
    with appending(load(None, os.environ)) as (parts, opened):
        parts.recorder(opened).record("exported")
    return elsewhere / "keys/log"


def configure(key: str, more: str = "") -> None:
    Path("hookfold.toml").write_text(CONFIGURATION.format(key=key) + more)


def audit(*words: object) -> Result:
    return CliRunner().invoke(command_line(commands()), ["audit", *map(str, words)])


def rotated(*words: str) -> dict[str, Any]:
    result = audit("rotate-key", "--json", *words)
    assert result.exit_code == 0, result.output
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def key_now() -> str:
    return audit("key").stdout.strip()


def test_a_new_key_takes_the_place_of_the_old_one_which_is_kept(log: Path):
    before, held = key_now(), log.read_text()

    told = rotated()

    assert (told["before"], told["key"]) == (before, key_now())
    assert Key.parse(told["key"]).name == Key.parse(before).name
    assert log.read_text() != held
    kept = log.with_name(f"log.{Key.parse(before).id.hex()}")
    assert (kept.read_text(), sorted(log.parent.iterdir())) == (held, sorted([log, kept]))
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    assert Key.parse(told["key"]).id in _signers(told["checkpoint"])


def test_the_log_is_verified_from_the_first_key_to_the_last(log: Path, sqlite_url: str):
    first, keys = key_now(), [rotated()["key"] for _ in range(2)]

    for key in (first, *keys):
        assert audit("verify", "--key", key, "--database", sqlite_url).exit_code == 0
    assert audit("verify").exit_code == 0


def test_a_checkpoint_that_was_kept_under_the_old_key_holds_the_log_to_it(log: Path, elsewhere: Path):
    rotated()
    audit("checkpoint", "--to", elsewhere / "kept")
    rotated()

    assert audit("verify", "--against", elsewhere / "kept").exit_code == 0
    with commands().asking(load(None, os.environ)) as ask:
        keys = json.loads(ask("/v1/audit/keys", {})[1])["data"]
    assert (keys[0]["since"], keys[-1]["key"]) == (None, key_now())


def test_a_key_that_is_no_file_is_named_and_then_configured(log: Path, monkeypatch: pytest.MonkeyPatch):
    before = key_now()
    monkeypatch.setenv("NEXT", "1f" * 32)

    told = rotated("--new", "env:NEXT")

    assert audit("checkpoint").exit_code == 2
    configure("env:NEXT")
    assert key_now() == told["key"] != before
    assert audit("checkpoint").exit_code == 0
    assert audit("rotate-key").exit_code == 2, "there is no file to put another one in the place of"


def test_a_key_that_signed_this_log_already_is_refused(log: Path):
    rotated("--new", f"file:{_other(log)}")
    configure(f"file:{_other(log)}")

    for again in (log, _other(log)):
        result = audit("rotate-key", "--new", f"file:{again}")
        assert result.exit_code == 2
        assert "holds a key that this log has, or had" in result.output


def test_a_key_that_nothing_vouches_for_is_refused_as_before(log: Path):
    rotated()
    log.write_text("0f" * 32)

    result = audit("checkpoint")

    assert result.exit_code == 2
    assert "service.signing_key: the checkpoints of this database are signed by" in result.output


@pytest.mark.parametrize("done", ["nothing", "the file", "the commit"])
def test_whatever_is_interrupted_one_of_both_keys_is_in_force_and_there(
    log: Path, done: str, monkeypatch: pytest.MonkeyPatch
):
    before, commit = key_now(), rotate_key

    def killed(*given: Any) -> None:
        if done == "the commit":
            commit(*given)
        raise _Killed

    with monkeypatch.context() as patched:
        patched.setattr(rotation, "next_key" if done == "nothing" else "rotate_key", killed)
        with pytest.raises(_Killed):
            commands().rotate(load(None, os.environ), None)
    waits, now = log.with_name("log.new").exists(), key_now()
    signed = audit("checkpoint")

    assert (waits, now != before) == (done != "nothing", done == "the commit")
    assert (signed.exit_code, _signers(signed.stdout)) == (0, [Key.parse(now).id])
    assert log.with_name("log.new").exists() == (done == "the file")
    assert rotated()["before"] == now
    assert audit("verify").exit_code == 0


def test_a_service_under_way_is_told_by_sighup(log: Path):
    parts = open_components(load(None, os.environ))
    told = rotated()

    reloaded = reload(parts.handed())
    assert reloaded
    renew_key(reloaded.hand, parts)

    assert str(parts.signer().key) == told["key"]
    assert parts.signer().checkpoint()
    assert reloaded.hand.settings.service.signing_key.value == log.read_text().strip()
    parts.close()


def test_a_service_under_way_takes_no_key_that_the_log_does_not_have(log: Path, capsys: pytest.CaptureFixture[str]):
    parts = open_components(load(None, os.environ))
    log.write_text("0f" * 32)

    assert reload(parts.handed()) is None
    parts.close()


def test_a_log_that_was_imported_has_its_own_key(log: Path, elsewhere: Path, empty_sqlite_url: str):
    rotated()
    line = command_line(commands())
    CliRunner().invoke(line, ["export", "-o", str(elsewhere / "log.jsonl"), "--with-own"])

    CliRunner().invoke(line, ["import", str(elsewhere / "log.jsonl"), "--database", empty_sqlite_url])

    assert audit("checkpoint", "--database", empty_sqlite_url).exit_code == 0
    assert audit("verify", "--database", empty_sqlite_url).exit_code == 0


def test_where_no_file_can_be_made_nothing_is_changed(log: Path, monkeypatch: pytest.MonkeyPatch):
    before = key_now()
    log.with_name("log.new").write_text("no key")

    result = audit("rotate-key")

    assert (result.exit_code, key_now()) == (2, before)
    assert "is no Ed25519 key" in result.output
    with pytest.raises(ConfigError):
        commands().rotate(load(None, os.environ), None)


def _other(log: Path) -> Path:
    other = log.with_name("other")
    if not other.exists():
        other.write_text("3d" * 32)
    return other


def _signers(note: str) -> list[bytes]:
    return [signature.id for signature in parse(note).signatures]
