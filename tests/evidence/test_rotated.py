"""A bundle that a later key of the log signed: its verifier follows from the key that was given."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.audit import KeyReplaced, SigningKey
from adapters.evidence import Evidence, verify
from adapters.sql import Reads
from tests.support.audited import SIGNING, Audited
from tests.support.logs import wms

SECOND, THIRD = (SigningKey(bytes([number]) * 32, SIGNING.key.name) for number in (2, 3))


@pytest.fixture
def log(database_url: str) -> Iterator[Audited]:
    """A log whose key was rotated twice, among the events of a session."""
    made = Audited(database_url)
    for number, key in enumerate((None, SECOND, THIRD)):
        if key is not None:
            made.rotate(key)
        made.append(made.entry("clinic", wms("s-1", number)))
        made.signer.checkpoint()
    yield made
    made.close()


def bundled(log: Audited, where: Path) -> Path:
    made = Evidence(Reads(log.engine), log.signer, log.views, log.recorder.record).bundle(
        log.stream("session", "clinic", "s-1")
    )
    with made.file:
        where.write_bytes(made.file.read())
    return where


def test_the_verifier_follows_from_each_key_that_the_log_had(log: Audited, tmp_path: Path):
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))

    first, second, third = (verify.verify(files, str(key.key)) for key in (SIGNING, SECOND, THIRD))

    steps = [f"at position {at}, {old.key} vouches for {new.key}" for at, old, new in _STEPS]
    assert first == [third[0], *steps, *third[1:]]
    assert second == [third[0], *steps[1:], *third[1:]]
    assert third[0] == f"signed by {THIRD.key}"


_STEPS = [(2, SIGNING, SECOND), (4, SECOND, THIRD)]


def test_a_key_that_vouched_for_none_is_not_the_one_that_was_given(log: Audited, tmp_path: Path):
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))

    for key in (SigningKey(b"x" * 32, SIGNING.key.name).key, SigningKey(b"\x02" * 32, "another.example.com").key):
        with pytest.raises(verify.Wrong, match="not the key that you were given"):
            verify.verify(files, str(key))


def test_a_step_that_is_left_out_is_missing(log: Audited, tmp_path: Path):
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))
    exhibits = [one for one in json.loads(files["events.json"]) if one["columns"][0] != 4]

    with pytest.raises(verify.Wrong, match="not the key that you were given"):
        verify.follow(files, exhibits, verify.Key(f"{THIRD.key}\n", "key.txt"), str(SIGNING.key))


def test_who_has_not_got_the_new_key_makes_no_bundle(log: Audited, tmp_path: Path):
    log.rotate(SigningKey(b"\x04" * 32, SIGNING.key.name))
    log.signer.sign_with(THIRD)

    with pytest.raises(KeyReplaced):
        bundled(log, tmp_path / "bundle.zip")

    assert log.rows("SELECT count(*) FROM events WHERE type = 'evidence_made'") == [(0,)]
