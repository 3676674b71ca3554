"""Signals that end a service come in bursts: twice from a supervisor, to a whole group, by a second Ctrl-C."""

import os
import random
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from itertools import count
from pathlib import Path
from subprocess import PIPE, Popen
from threading import Event

import pytest

from tests.support.logs import wms
from tests.support.service import READY, Service, running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the service's processes in /proc")

HOUSE = Path(__file__).parents[2]
STOPS = int(os.environ.get("HOOKFOLD_TEST_STOPS", "2"))
"""On each database, and fifty times as many of a small process; 200 take a quarter of an hour."""
SENDERS = 4
ENDS = """
import gc, os, select, sys
from runpy import run_path
Signals = run_path("adapters/server/processes/signals.py")["Signals"]
gc.freeze()
while sys.stdin.readline():
    if (child := os.fork()) == 0:
        signals = Signals()
        print(os.getpid(), flush=True)
        while not select.select([signals], [], [])[0] or not signals.read()[0]:
            pass
        signals.ignore()
        sys.exit()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""For each line, a process that waits for its end; told are its id, and its exit code. Small, to end soon."""


def test_a_burst_of_signals_ends_what_waits_for_one():
    chance = random.Random(1)
    with Popen([sys.executable, "-c", ENDS], cwd=HOUSE, stdin=PIPE, stdout=PIPE, text=True) as forking:
        assert forking.stdin
        assert forking.stdout
        codes = set()
        for _ in range(50 * STOPS):
            print(file=forking.stdin, flush=True)
            waiting = int(forking.stdout.readline())

            burst(waiting, 12, chance)

            codes.add(forking.stdout.readline())
        forking.stdin.close()

    assert codes == {"0\n"}


def test_each_stop_by_a_burst_under_load_ends_in_time_and_loses_nothing_acknowledged(database_url: str, tmp_path: Path):
    chance = random.Random(7)
    acknowledged: list[int] = []
    for number in range(STOPS):
        with (
            running(database_url, tmp_path / "service", processes=chance.choice([1, 2])) as service,
            loaded(service, f"s{number}", acknowledged) as answered,
        ):
            assert answered.wait(READY)
            target = chance.choice([service.process.pid, -service.process.pid])

            burst(target, chance.randint(2, 12), chance)

            assert service.process.wait(READY) == 0, (number, target, service.log.read_text()[-2000:])

    assert b"KeyboardInterrupt" not in service.log.read_bytes()
    with running(database_url, tmp_path / "service") as service:
        assert {*acknowledged} <= {*service.positions()}
    assert len(acknowledged) == len({*acknowledged}) > STOPS


def burst(target: int, size: int, chance: random.Random) -> None:
    """To a process, or to a group (its number is negative then), as long as it is there."""
    with suppress(ProcessLookupError):
        for _ in range(size):
            os.kill(target, chance.choice([signal.SIGTERM, signal.SIGINT]))


@contextmanager
def loaded(service: Service, session: str, acknowledged: list[int]) -> Iterator[Event]:
    """Senders, as long as somebody listens and the block lasts. The event: some were answered."""
    answered, done = Event(), Event()
    with ThreadPoolExecutor(SENDERS) as pool:
        sending = [pool.submit(_send, service, f"{session}-{n}", acknowledged, answered, done) for n in range(SENDERS)]
        try:
            yield answered
        finally:
            done.set()
    for one in sending:
        one.result()


def _send(service: Service, session: str, acknowledged: list[int], answered: Event, done: Event) -> None:
    for number in count():
        if done.is_set():
            return
        try:
            answer = service.wms(wms(session, number))
        except (OSError, HTTPException):
            return
        if answer.status == 200:
            acknowledged.append(int(answer.headers["hookfold-position"]))
            if number > 10:
                answered.set()
