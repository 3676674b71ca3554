"""A process gives signs of life as long as its work goes on; one that gives none is ended by who keeps it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters.server import pulse
from adapters.server.pulse import PULSE, outlive

BEATS = "from adapters.server.pulse import Pulse; import time; pulse = Pulse({longest}); pulse.start(); "
GOES_ON = "[(pulse.goes_on(), time.sleep(0.1)) for _ in range({steps})]"
HANGS = "time.sleep(600)"


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulse, "LOOK", 0.5)


@contextmanager
def started(code: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that runs the code, and the end of the pipe at which its signs come."""
    signs, giving = os.pipe()
    env = {**os.environ, PULSE: str(giving)}
    process = subprocess.Popen([sys.executable, "-c", code], pass_fds=[giving], env=env)
    os.close(giving)
    try:
        yield process, signs
    finally:
        os.close(signs)
        process.kill()
        process.wait()


def test_a_process_whose_work_goes_on_lives_until_it_ends_by_itself():
    with started(BEATS.format(longest=30) + GOES_ON.format(steps=20)) as (process, signs):
        assert outlive(process, signs)
        assert process.returncode == 0


def test_a_process_that_lives_but_whose_work_does_not_go_on_is_ended(soon):
    with started(BEATS.format(longest=1) + HANGS) as (process, signs):
        assert not outlive(process, signs)


def test_a_process_that_hangs_before_its_first_sign_is_ended(soon, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pulse, "STARTING", 0.5)
    with started("import time; " + HANGS) as (process, signs):
        assert not outlive(process, signs)


def test_a_process_that_nobody_keeps_gives_no_signs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv(PULSE, raising=False)

    pulse.Pulse(1).start()
