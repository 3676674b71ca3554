"""A queue for SQLite's write lock over all processes, so that a busy writer cannot starve the others."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.0005
"""Seconds between two looks: a commit takes about one thousandth."""

PATIENCE = 2.0
"""Seconds behind which one at the head is passed: its process may have been stopped."""


@contextmanager
def head_of_queue(file: Path) -> Iterator[None]:
    """Waits for the head of the line, and stays there while the block lasts: until the lock is had.

    Whoever wrote last finds somebody there, and waits behind. The line is a courtesy, SQLite's lock is what counts: who
    cannot have the file, in a folder that may not be written, goes without it.
    """
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        yield
        return
    try:
        _wait(descriptor)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(PAUSE)
        except OSError:  # a file system without such locks
            return
        else:
            return
