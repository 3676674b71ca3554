"""A bundle of any number of events: made without holding them, and recorded only once it is there.

`HOOKFOLD_BUNDLE_EVENTS=100000` makes the long one as long as that.
"""

import gc
import os
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Select

from adapters.audit import CheckpointSigner, CurrentKey, SigningKey
from adapters.evidence import Evidence, verify
from adapters.evidence.bundle import Made
from adapters.sql import Reads, RecordedEvent, RecordedEvents, Tree
from tests.support.erasing import Erasing
from tests.support.logs import wms

SIGNING = SigningKey(b"k" * 32, "example.com/log")
SHORT, LONG = 300, int(os.environ.get("HOOKFOLD_BUNDLE_EVENTS", "800"))
FOR_EACH = 100
"""Bytes of memory that an event may take: its order is found on disk, its body alone has 2,000."""
TRIES = 2
"""The least of so many is compared: the first fills caches, too."""
OLDER = Path(__file__).with_name("older.zip")


@pytest.fixture
def bench(database_url: str) -> Iterator[Erasing]:
    bench = Erasing(database_url)
    yield bench
    bench.close()


def evidence(bench: Erasing, signing: SigningKey = SIGNING) -> Evidence:
    return Evidence(
        Reads(bench.engine),
        CheckpointSigner(Tree(bench.engine), CurrentKey(signing)),
        bench.views,
        bench.recorder.record,
    )


def fill(bench: Erasing, count: int, beside: int = 0, name: str = "visit") -> str:
    """A visit of so many events, each with so many events of others between; our id of it."""
    batch = []
    for number in range(count):
        batch += [bench.entry("clinic", wms(f"other-{number}-{one}", 0)) for one in range(beside)]
        note = f"{number}".zfill(2_000)
        batch.append(bench.entry("clinic", wms(name, number, "INTERMEDIATE_RESULTS", measurementId="m-1", note=note)))
        if len(batch) > 500:
            bench.log.append(batch)
            batch = []
    bench.log.append(batch)
    return bench.stream("session", "clinic", name)


def verified(made: Made, where: Path) -> list[str]:
    with made.file:
        where.write_bytes(made.file.read())
    return verify.verify(verify.read(where), str(SIGNING.key))


def peak(bench: Erasing, visit: str) -> int:
    """Bytes of memory that its bundle needs."""
    tracemalloc.start()
    made = evidence(bench).bundle(visit)
    _, highest = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    made.file.close()
    return highest


def collect_at_each_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cycles that nobody holds are no need: left to itself, the collector comes when it likes, 200 kB late or early."""
    read = RecordedEvents._read

    def collected(self: RecordedEvents, query: Select[Any]) -> Iterator[RecordedEvent]:
        gc.collect()
        return read(self, query)

    monkeypatch.setattr(RecordedEvents, "_read", collected)


def told(bench: Erasing) -> list[str]:
    return [row[0] for row in bench.rows("SELECT type FROM events WHERE source = 'hookfold'")]


def test_a_visit_that_is_scattered_over_a_busy_log_has_a_bundle(bench: Erasing, tmp_path: Path):
    visit = fill(bench, 520, beside=15)

    made = evidence(bench).bundle(visit)

    assert "520 events are in the log of 8320 positions" in verified(made, tmp_path / "made.zip")[1]


def test_the_memory_that_it_takes_hardly_grows_with_the_events(bench: Erasing, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("adapters.evidence.bundle.LONGEST_LIST", 0)
    collect_at_each_page(monkeypatch)
    visits = [fill(bench, count, name=f"{count}") for count in (SHORT, LONG)]

    short, long = (min(peak(bench, visit) for _ in range(TRIES)) for visit in visits)

    assert long - short < FOR_EACH * (LONG - SHORT), (short, long)


def test_a_list_that_is_longer_than_a_note_has_a_file_of_its_own(
    bench: Erasing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.evidence.bundle.LONGEST_LIST", 0)
    visit = fill(bench, 3)

    lines = verified(evidence(bench).bundle(visit), tmp_path / "made.zip")

    assert "same state" in lines[2]
    files = verify.read(tmp_path / "made.zip")
    for name in sorted(files):
        with pytest.raises(verify.Wrong, match=f"^{name}: "):
            verify.verify(files | {name: files[name] + b"\n"}, None)
    with pytest.raises(verify.Wrong, match="it does not belong to the bundle"):
        verify.verify(files | {"more.txt": b""}, None)
    short = b"".join(files["files.sha256"].splitlines(keepends=True)[1:])
    with pytest.raises(verify.Wrong, match=r"^files\.sha256: it was altered"):
        verify.verify(files | {"files.sha256": short}, None)


def test_what_could_not_be_made_is_not_recorded_as_made(bench: Erasing):
    visit = fill(bench, 3)
    evidence(bench).bundle(visit).file.close()
    assert told(bench) == ["evidence_made"]

    with pytest.raises(ValueError, match="did not sign this"):
        evidence(bench, SigningKey(b"x" * 32, "example.com/another")).bundle(visit)

    assert told(bench) == ["evidence_made"]


def test_a_bundle_that_cannot_be_recorded_is_not_given_away(bench: Erasing):
    visit = fill(bench, 3)

    def refuse(*_: object, **__: object) -> None:
        raise LookupError("nobody records")

    refusing = Evidence(
        Reads(bench.engine), CheckpointSigner(Tree(bench.engine), CurrentKey(SIGNING)), bench.views, refuse
    )
    with pytest.raises(LookupError, match="nobody records"):
        refusing.bundle(visit)


def test_a_bundle_of_an_earlier_build_is_still_taken():
    lines = verify.verify(verify.read(OLDER), str(SIGNING.key))

    assert "15 events are in the log of 16 positions as they were recorded" in lines[1]
    assert "same state" in lines[2]


def test_its_zip_is_one_that_others_read(bench: Erasing, tmp_path: Path):
    made = evidence(bench).bundle(fill(bench, 3))
    with made.file, zipfile.ZipFile(made.file) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[-1] == "manifest.note"
