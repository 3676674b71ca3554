"""Memory stays flat, however long the log is."""

import json
import tracemalloc
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from adapters.archive import Intake
from adapters.archive.export import export_lines
from adapters.archive.sheets import Sheets
from adapters.sql import Entry, ExportReader, Importer, ImportOutcome, Selection
from tests.archive.conftest import Make
from tests.support.house import NOON, wms
from tests.support.travel import LATER, Place

SHORT, LONG = 1_000, 4_000


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_four_times_the_log_takes_no_more_memory(place: Make, kind: str):
    there = place(kind)
    needed = []
    for size in (SHORT, LONG):
        fill(there, size)
        file = there.export()
        here = place(kind)
        needed.append((peak(lambda: export(there)), peak(lambda: take(here, file))))  # noqa: B023

    (short_export, short_import), (long_export, long_import) = needed
    assert long_export < short_export + 300_000
    assert long_import < short_import + 600_000


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_table_of_states_holds_no_more_bodies_than_chunks_have(
    place: Make, kind: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("adapters.sql.transfer.export_reader.CHUNK", 64)
    there = place(kind)
    fill(there, 600, each=600, padding=10_000, measurementId="m-1")

    needed = peak(lambda: states(there))

    assert needed < 600 * 10_000 / 2


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_streams_that_are_read_a_chunk_at_a_time_have_all_their_events(
    place: Make, kind: str, monkeypatch: pytest.MonkeyPatch
):
    there = place(kind)
    there.busy()
    whole = states(there), timelines(there)

    monkeypatch.setattr("adapters.sql.transfer.export_reader.CHUNK", 1)
    monkeypatch.setattr("adapters.sql.transfer.export_reader.CHUNKS", 1)

    assert (states(there), timelines(there)) == whole


def fill(place: Place, until: int, each: int = 10, padding: int = 0, **payload: Any) -> None:
    """Events up to a position; each session has so many of them."""
    provider, batch = place.providers["clinic"], []
    for number in range(place.api.reads.head(), until):
        told = wms(f"s-{number // each}", number % each, "INTERMEDIATE_RESULTS", note="x" * 300, **payload)
        body = json.dumps(told).encode() + b" " * padding
        reading = provider.read(body)
        batch.append(Entry("clinic", NOON, [], body, None, provider.identity([], body, reading), reading, True))
    place.log.append(batch)


def states(place: Place) -> bytes:
    return b"".join(sheets(place).states(Selection(), lambda *_: None))


def timelines(place: Place) -> bytes:
    return b"".join(sheets(place).timelines(Selection(), lambda *_: None))


def sheets(place: Place) -> Sheets:
    return Sheets(ExportReader(place.engine), place.ids, place.api.sources)


def export(place: Place) -> None:
    for _ in export_lines(ExportReader(place.engine), place.ids, Selection(), lambda *_: None):
        pass


def take(place: Place, file: bytes) -> None:
    importer = Importer(place.engine, place.code, lambda: LATER, whole=True)
    Intake(BytesIO(file), place.ids, place.api.sources).into(importer, lambda *_: None, ImportOutcome())
    importer.close()


def peak(work: Callable[[], object]) -> int:
    """The most bytes that were in use at once while it worked, beyond those before."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
