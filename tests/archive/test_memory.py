"""Memory stays flat, however long the log is."""

import json
import tracemalloc
from collections.abc import Callable
from io import BytesIO

import pytest

from adapters.archive import Intake
from adapters.archive.export import export_lines
from adapters.sql import Entry, ExportReader, Importer, ImportOutcome, Selection
from tests.archive.conftest import Make
from tests.support.house import NOON, wms
from tests.support.travel import LATER, Place

SHORT, LONG = 1_500, 6_000


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


def fill(place: Place, until: int) -> None:
    """Events up to a position, a session for every ten of them."""
    provider, batch = place.providers["clinic"], []
    for number in range(place.api.reads.head(), until):
        body = json.dumps(wms(f"s-{number // 10}", number % 10, "INTERMEDIATE_RESULTS", note="x" * 300)).encode()
        reading = provider.read(body)
        batch.append(Entry("clinic", NOON, [], body, None, provider.identity([], body, reading), reading, True))
    place.log.append(batch)


def export(place: Place) -> None:
    for _ in export_lines(ExportReader(place.engine), place.ids, Selection(), lambda *_: None):
        pass


def take(place: Place, file: bytes) -> None:
    importer = Importer(place.engine, place.code, lambda: LATER, whole=True)
    Intake(BytesIO(file), place.ids, place.api.sources).into(importer, lambda *_: None, ImportOutcome())
    importer.close()


def peak(work: Callable[[], None]) -> int:
    """The most bytes that were in use at once while it worked, beyond those before."""
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    try:
        work()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
