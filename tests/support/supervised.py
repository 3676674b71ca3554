"""A main process with processes that do little, which it keeps running; what all of them tell comes in lines."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple

from tests.support.launcher import Launched, launch

LONGEST = 60.0
WORKS = """
import os, sys, time
from adapters.server import configure_logs
from adapters.server.processes import child, supervisor
from adapters.server.processes.child import Child
from adapters.server.processes.parent import InputReader
from adapters.server.processes.pulse import Pulse
from adapters.server.processes.reloading import Reloaded, Reloading

def tell(*words):
    os.write(2, (" ".join(map(str, words)) + "\\n").encode())

def lives(parent, name=""):
    ended = []
    anew = InputReader(parent.line, lambda hand: tell("anew", len(hand)), lambda: ended.append(True))
    Pulse(60, parent.line).start()
    tell("lives", os.getpid(), len(parent.hand))
    while not ended:
        parent.line.setblocking(True)
        anew.read()
    tell("ends", os.getpid(), name)

def lives_as(name):
    return lambda parent: lives(parent, name)

def dies(parent):
    "At its start."

def hangs(parent):
    "Without a sign."
    tell("hangs", os.getpid())
    time.sleep(600)

def stalls(parent):
    "Behind its first sign."
    pulse = Pulse(0.5, parent.line)
    pulse.start()
    hangs(parent)

def run(*stages, first=lives, reload=lambda hand: None, **settings):
    for name, value in settings.items():
        setattr(child, name, value)
    configure_logs()
    keeper = supervisor.Supervisor(Child("first", first, takes_anew=True), stages, "hand", str, Reloading(reload))
    tell("broken", keeper.run())

"""


class Main(NamedTuple):
    """The main process."""

    process: Launched
    lines: IO[str]

    def expect(self, word: str) -> str:
        """What follows that word in the next line that tells it."""
        for line in self.lines:
            if word in line:
                return line.partition(word)[2].strip()
        raise AssertionError(f"{word} was not told")

    def process_that(self, word: str) -> int:
        """The id of the next one that tells so: `lives`, `hangs` or `ends`."""
        return int(self.expect(f"{word} ").split()[0])

    def end(self) -> int:
        """Its exit code, once it was told to stop."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(LONGEST)


@contextmanager
def supervised(code: str) -> Iterator[Main]:
    """A main process that runs the code behind `WORKS`."""
    read, write = os.pipe()
    with os.fdopen(read) as lines:
        with os.fdopen(write, "wb") as log:
            process = launch(WORKS + code, [], os.environ, log)
        try:
            yield Main(process, lines)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait(LONGEST)


def await_end(process: int) -> None:
    """Returns when the process is no more."""
    deadline = time.monotonic() + LONGEST
    while Path(f"/proc/{process}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
