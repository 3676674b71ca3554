"""A sign of life of each process, through a pipe to the one that keeps it: who gives none is killed and started anew.

A process that is stopped, or whose work does not go on, does not die: nobody would see it, and everybody would wait.
"""

import os
import select
import subprocess
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from time import monotonic, sleep

PULSE = "HOOKFOLD_PULSE_FD"
"""Names, to our own processes, the end of the pipe that takes their signs."""

EVERY = 1.0
"""Seconds between two signs."""
LOOK = 2.0
SILENT_LOOKS = 5
"""So many looks, of `LOOK` seconds each, without a sign: looks, since who keeps may have been stopped as well."""
STARTING = 120.0
"""Seconds for the first sign: a machine that has much to do starts slowly."""


class Pulse:
    """Gives signs from a thread of its own, as long as the work goes on: `goes_on` was called within `longest` seconds.

    Not from the work itself: one step of it may rightly take longer than anybody waits for a process that is stopped.
    """

    def __init__(self, longest: float) -> None:
        self._longest = longest
        self._went_on = monotonic()

    def start(self) -> None:
        """Begins, where somebody listens; in a process that nobody keeps there is nothing to do."""
        if PULSE in os.environ:
            pipe = int(os.environ[PULSE])
            os.set_blocking(pipe, False)
            Thread(target=self._beat, args=[pipe], name="hookfold-pulse", daemon=True).start()

    def goes_on(self) -> None:
        """The work's call, at each step."""
        self._went_on = monotonic()

    def _beat(self, pipe: int) -> None:
        while True:
            if monotonic() - self._went_on < self._longest:
                with suppress(BlockingIOError, BrokenPipeError):  # who keeps us does not read now, or is gone
                    os.write(pipe, b".")
            sleep(EVERY)


def outlive(process: subprocess.Popen[bytes], signs: int, lives: Callable[[], None] = lambda: None) -> bool:
    """Returns once the process has ended: whether by itself, or killed here since no sign came through this pipe.

    `lives` is called at each sign.
    """
    ready = select.poll()
    ready.register(signs, select.POLLIN)
    silent = -STARTING
    while silent < SILENT_LOOKS * LOOK:
        if not ready.poll(LOOK * 1_000):
            silent += LOOK
        elif os.read(signs, 1024):
            silent = 0.0
            lives()
        else:
            process.wait()
            return True
    process.kill()
    process.wait()
    return False
