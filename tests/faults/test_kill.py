"""Processes killed under load: what was acknowledged is there once, the rest may be sent again without harm."""

import os
import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.client import HTTPException
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.support.logs import wms
from tests.support.service import Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

SENDERS, EACH = 6, 80
DEATHS = int(os.environ.get("HOOKFOLD_TEST_DEATHS", "4"))
"""On each database; each is followed by a start, which takes its seconds."""


@pytest.fixture
def service(database_url: str, tmp_path: Path) -> Iterator[Service]:
    with running(database_url, tmp_path / "service", processes=2) as service:
        yield service


@pytest.mark.parametrize("victim", ["writer", "server"])
def test_a_process_killed_under_load_loses_and_doubles_nothing(service: Service, victim: str):
    acknowledged: list[int] = []
    with ThreadPoolExecutor(SENDERS + 1) as pool:
        senders = [pool.submit(_send_all, service, sender, acknowledged) for sender in range(SENDERS)]
        for share in (0.2, 0.4, 0.6):
            _await(partial(_more_than, acknowledged, share * SENDERS * EACH))
            os.kill(service.children()[victim][0], signal.SIGKILL)
        for sender in senders:
            sender.result()

    positions = service.positions()
    held = set(acknowledged)
    assert len(acknowledged) == SENDERS * EACH
    assert len(held) == SENDERS * EACH == len(positions)
    assert held == set(positions)
    assert {session["events"] for session in _sessions(service)} == {EACH}


def test_serving_processes_that_die_at_any_moment_take_no_writer_along(service: Service):
    chance, acknowledged, done = random.Random(23), list[int](), Event()
    writer = service.children()["writer"]
    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(_send_until, done, service, sender, acknowledged) for sender in range(SENDERS)]
        try:
            for _ in range(DEATHS):
                _await(partial(_more_than, acknowledged, len(acknowledged) + chance.randint(1, 30)))
                os.kill(chance.choice(service.children()["server"]), signal.SIGKILL)
        finally:
            done.set()
        for sender in senders:
            sender.result()

    assert service.children()["writer"] == writer
    assert len(acknowledged) == len({*acknowledged})
    assert {*acknowledged} == {*service.positions()}


def test_the_whole_service_killed_comes_back_on_the_same_port_with_all_it_acknowledged(
    database_url: str, tmp_path: Path
):
    with running(database_url, tmp_path / "service") as first:
        acknowledged = [first.wms(wms("s", number)) for number in range(20)]
        os.kill(first.process.pid, signal.SIGKILL)
        first.process.wait()
        _await(lambda: not _answers(first))

        with running(database_url, tmp_path / "service", port=first.port) as second:
            again = [second.wms(wms("s", number)) for number in range(20)]

    assert [answer.headers["hookfold-verdict"] for answer in acknowledged] == ["new"] * 20
    assert [answer.headers["hookfold-verdict"] for answer in again] == ["duplicate"] * 20
    assert [answer.headers["hookfold-position"] for answer in again] == [str(n) for n in range(1, 21)]


def _send_all(service: Service, sender: int, acknowledged: list[int]) -> None:
    """Each delivery until it is acknowledged, as a sender retries."""
    for number in range(EACH):
        document = wms(f"s{sender}", number)
        _await(partial(_sent, service, document, acknowledged))


def _send_until(done: Event, service: Service, sender: int, acknowledged: list[int]) -> None:
    for number in count():
        if done.is_set():
            return
        _await(partial(_sent, service, wms(f"s{sender}", number), acknowledged))


def _more_than(acknowledged: list[int], count: float) -> bool:
    return len(acknowledged) > count


def _sent(service: Service, document: dict[str, Any], acknowledged: list[int]) -> bool:
    try:
        answer = service.wms(document)
    except (OSError, HTTPException):
        return False
    assert answer.status in (200, 503), answer
    if answer.status == 200:
        acknowledged.append(int(answer.headers["hookfold-position"]))
    return answer.status == 200


def _answers(service: Service) -> bool:
    try:
        return service.send("GET", "/healthz").status == 200
    except (OSError, HTTPException):
        return False


def _await(condition: Callable[[], bool]) -> None:
    """Looks again and again; what is waited for happens in other processes."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "the service did not come back"
        time.sleep(0.02)


def _sessions(service: Service) -> list[dict[str, int]]:
    found: list[dict[str, int]] = service.get("/v1/sessions?limit=100")["data"]
    return found
