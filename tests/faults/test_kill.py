"""Processes killed under load: what was acknowledged is there once, the rest may be sent again without harm."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from tests.support.logs import wms
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

SENDERS, EACH = 6, 160


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    with running(database_url, tmp_path / "service", processes=2) as service:
        yield service


@pytest.mark.parametrize("victim", ["writer", "serving"])
def test_a_process_killed_under_load_loses_and_doubles_nothing(service: Service, victim: str):
    stop = Event()
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        killer = pool.submit(_kill_again_and_again, service, victim, stop)
        acknowledged = [one for some in pool.map(_send_all, [service] * SENDERS, range(SENDERS)) for one in some]
        stop.set()
        kills = killer.result()

    positions = _every_position(service)
    held = {position for _, position in acknowledged}
    assert kills >= 2
    assert len(acknowledged) == SENDERS * EACH
    assert len(held) == SENDERS * EACH == len(positions)
    assert held == set(positions)
    assert {session["events"] for session in _sessions(service)} == {EACH}


def test_the_whole_service_killed_comes_back_on_the_same_port_with_all_it_acknowledged(
    database_url: str, tmp_path: Path
):
    with running(database_url, tmp_path / "service") as first:
        acknowledged = [first.wms(wms("s", number)) for number in range(20)]
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()

        with running(database_url, tmp_path / "service", port=first.port) as second:
            again = [second.wms(wms("s", number)) for number in range(20)]

    assert [answer.headers["hookfold-verdict"] for answer in acknowledged] == ["new"] * 20
    assert [answer.headers["hookfold-verdict"] for answer in again] == ["duplicate"] * 20
    assert [answer.headers["hookfold-position"] for answer in again] == [str(n) for n in range(1, 21)]


def _kill_again_and_again(service: Service, victim: str, stop: Event) -> int:
    kills = 0
    while not stop.wait(0.4):
        for process in service.children()[victim][:1]:
            os.kill(process, signal.SIGKILL)
            kills += 1
    return kills


def _send_all(service: Service, sender: int) -> list[tuple[str, int]]:
    """Each delivery until it is acknowledged, as a sender retries."""
    return [_insist(service, sender, number) for number in range(EACH)]


def _insist(service: Service, sender: int, number: int) -> tuple[str, int]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            answer = service.wms(wms(f"s{sender}", number))
        except OSError:
            continue
        if answer.status == 200:
            return answer.headers["hookfold-verdict"], int(answer.headers["hookfold-position"])
        assert answer.status == 503, answer
        time.sleep(0.05)
    raise AssertionError("the service did not come back")


def _every_position(service: Service) -> list[int]:
    positions: list[int] = []
    while page := service.get(f"/v1/events?after={positions[-1] if positions else 0}&limit=100")["data"]:
        positions += [event["position"] for event in page]
    return positions


def _sessions(service: Service) -> list[dict[str, int]]:
    found: list[dict[str, int]] = service.get("/v1/sessions?limit=100")["data"]
    return found
