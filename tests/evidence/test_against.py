"""A checkpoint that was kept, held against a bundle without the log."""

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from adapters.audit import Contradiction
from adapters.evidence import Evidence, verify
from adapters.sql import Reads
from core.proofs import merkle
from core.proofs.note import Checkpoint, to_base64
from tests.support.audited import SIGNING, Audited
from tests.support.logs import wms

LEAVES = [sha256(b"%d" % number).digest() for number in range(18)]


@pytest.fixture
def log(sqlite_url: str) -> Iterator[Audited]:
    made = Audited(sqlite_url)
    yield made
    made.close()


def bundled(log: Audited, where: Path, *kept: Checkpoint) -> Path:
    maker = Evidence(Reads(log.engine), log.signer, log.views, log.recorder.record)
    made = maker.bundle(log.stream("session", "clinic", "s-1"), kept=kept)
    with made.file:
        where.write_bytes(made.file.read())
    return where


def kept(log: Audited, folder: Path) -> tuple[Checkpoint, Path]:
    """A checkpoint of the log as it is, and its file."""
    note, file = log.signer.checkpoint(), folder / "kept.txt"
    file.write_text(note, encoding="utf-8")
    return log.signer.chain().opened(note), file


def test_a_bundle_that_was_made_for_a_kept_checkpoint_proves_that_it_is_of_its_log(log: Audited, tmp_path: Path):
    log.append(log.entry("clinic", wms("s-1", 0)))
    before, file = kept(log, tmp_path)
    log.append(log.entry("clinic", wms("s-1", 1)))

    files = verify.read(bundled(log, tmp_path / "bundle.zip", before))

    verify.verify(files, str(SIGNING.key))
    said = "the checkpoint kept.txt over 1 position fits: it covers 1 event of this bundle"
    assert verify.check_against(files, file, None) == said


def test_of_a_bundle_without_a_proof_is_said_that_nobody_can_tell_and_what_to_do(log: Audited, tmp_path: Path):
    log.append(log.entry("clinic", wms("s-1", 0)))
    _, file = kept(log, tmp_path)
    log.append(log.entry("clinic", wms("s-1", 1)))
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))
    found = log.signer.consistency(1, 2)
    (tmp_path / "proof.json").write_text(json.dumps({"from": 1, "to": 2, "path": [*map(to_base64, found.path)]}))
    (tmp_path / "other.json").write_text(json.dumps({"from": 1, "to": 3, "path": []}))

    with pytest.raises(verify.Unproven, match=r"Ask the log's operator .* /v1/audit/proof\?from=1&to=2 and name"):
        verify.check_against(files, file, None)
    with pytest.raises(verify.Unproven, match="it covers 1 position, and the bundle's checkpoint 2: "):
        verify.check_against(files, file, tmp_path / "other.json")
    assert verify.check_against(files, file, tmp_path / "proof.json").endswith("covers 1 event of this bundle")


def test_the_command_ends_with_what_is_missing_for_a_proof(
    log: Audited, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    log.append(log.entry("clinic", wms("s-1", 0)))
    _, file = kept(log, tmp_path)
    log.append(log.entry("clinic", wms("s-1", 1)))
    bundle = bundled(log, tmp_path / "bundle.zip")
    monkeypatch.setattr("sys.argv", ["verify.py", str(bundle), "--against", str(file), "--key", str(SIGNING.key)])

    with pytest.raises(SystemExit, match=r"^UNPROVEN  .* /v1/audit/proof\?from=1&to=2 and name"):
        verify.main()

    assert "same state" in capsys.readouterr().out


def test_a_checkpoint_that_was_kept_later_covers_the_whole_bundle(log: Audited, tmp_path: Path):
    log.append(log.entry("clinic", wms("s-1", 0)))
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))
    log.append(log.entry("clinic", wms("s-1", 1)))
    _, file = kept(log, tmp_path)
    found = log.signer.consistency(1, 3)
    (tmp_path / "proof.json").write_text(json.dumps({"from": 1, "to": 3, "path": [*map(to_base64, found.path)]}))

    said = verify.check_against(files, file, tmp_path / "proof.json")

    assert said == "the checkpoint kept.txt over 3 positions fits: it covers 1 event of this bundle"


def test_a_checkpoint_of_another_log_under_the_same_key_does_not_fit(log: Audited, tmp_path: Path):
    log.append(log.entry("clinic", wms("s-1", 0)))
    log.append(log.entry("clinic", wms("s-1", 1)))
    other, file = Checkpoint(SIGNING.key.name, 1, LEAVES[0]), tmp_path / "kept.txt"
    file.write_text(SIGNING.sign(1, LEAVES[0]), encoding="utf-8")
    path = [*map(to_base64, log.signer.consistency(1, 2).path)]
    (tmp_path / "proof.json").write_text(json.dumps({"from": 1, "to": 2, "path": path}))
    files = verify.read(bundled(log, tmp_path / "bundle.zip"))

    with pytest.raises(verify.Wrong, match="they are not of one log, or the proof is of another one"):
        verify.check_against(files, file, tmp_path / "proof.json")
    with pytest.raises(Contradiction, match="no extension of the kept checkpoint over 1 position"):
        bundled(log, tmp_path / "another.zip", other)


def test_a_checkpoint_under_an_earlier_key_is_taken_where_that_key_was_in_force(log: Audited, tmp_path: Path):
    log.append(log.entry("clinic", wms("s-1", 0)))
    before, file = kept(log, tmp_path)
    log.rotate(type(SIGNING)(b"2" * 32, SIGNING.key.name))
    log.append(log.entry("clinic", wms("s-1", 1)))
    files = verify.read(bundled(log, tmp_path / "bundle.zip", before))
    late = tmp_path / "late.txt"
    late.write_text(SIGNING.sign(3, LEAVES[0]), encoding="utf-8")

    assert verify.check_against(files, file, None).startswith("the checkpoint kept.txt over 1 position fits")
    with pytest.raises(verify.Wrong, match="the log's key did not sign it"):
        verify.check_against(files, late, None)


def test_the_verifier_takes_each_proof_of_consistency_and_none_that_was_altered():
    def node(where: tuple[int, int]) -> bytes:
        level, place = where
        return merkle.fold(LEAVES[place << level : (place + 1) << level])

    roots = [merkle.root(size, node) for size in range(len(LEAVES) + 1)]
    for second in range(1, len(LEAVES) + 1):
        for first in range(1, second + 1):
            older, newer = (first, roots[first]), (second, roots[second])
            path = merkle.consistency(first, second, node)
            assert verify.extends(older, newer, path)
            assert not verify.extends(older, (second, LEAVES[0] if second > 1 else LEAVES[1]), path)
            if first < second:
                assert not verify.extends(older, newer, path[:-1])
                assert not verify.extends(older, newer, [*path, LEAVES[0]])
