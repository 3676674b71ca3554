"""Who watches a service sees what becomes of its deliveries."""

import os
import re
import signal
from pathlib import Path

from tests.support.logs import wms
from tests.support.service import Service, running


def counted(service: Service) -> dict[str, float]:
    """The deliveries that `/metrics` tells of the source `clinic`, by outcome."""
    text = service.send("GET", "/metrics").body.decode()
    found = re.findall(r'hookfold_deliveries_total\{outcome="(\w+)",source="clinic"\} ([0-9.]+)', text)
    return {outcome: float(count) for outcome, count in found}


def test_deliveries_are_counted_by_what_became_of_them(door: Service):
    before = counted(door)
    for number in (0, 1, 1, 1):
        door.wms(wms("counted", number))
    door.send("POST", "/in/clinic", b"{}", {"content-type": "application/json"})

    after = counted(door)

    changes = {outcome: count - before.get(outcome, 0) for outcome, count in after.items()}
    assert {outcome: count for outcome, count in changes.items() if count} == {"new": 2, "duplicate": 2, "rejected": 1}


def test_every_request_for_no_source_is_counted(door: Service):
    before = unknown_paths(door)

    for path in ("/in", "/in/", "/in//", "/in/nobody", "/in/nobody/webhook", "/in//nobody", "/in/clinic/x"):
        assert door.send("POST", path, b"{}").status == 404

    assert unknown_paths(door) - before == 7


def unknown_paths(service: Service) -> float:
    (count,) = re.findall(
        r"^hookfold_ingest_not_found_total ([0-9.]+)$", service.send("GET", "/metrics").body.decode(), re.MULTILINE
    )
    return float(count)


def test_every_scrape_tells_what_all_processes_counted_and_a_restart_takes_nothing_away(
    tmp_path: Path, sqlite_url: str
):
    with running(sqlite_url, tmp_path, processes=2) as service:
        for number in range(24):  # each over a connection of its own: both processes get some
            service.wms(wms("summed", number))
        before = scrapes(service, until=24)

        os.kill(service.children()["server"][0], signal.SIGKILL)
        service.wms(wms("summed", 24))
        after = scrapes(service, until=25)

    assert before == sorted(before)
    assert before[-1] == 24
    assert after == sorted(after)
    assert (after[0] >= 24, after[-1]) == (True, 25)


def scrapes(service: Service, until: int) -> list[float]:
    """The new deliveries that one scrape after the other tells, until they are so many."""
    told = [0.0]
    while told[-1] < until:
        told.append(counted(service)["new"])
    return told[1:]
