"""A queue for SQLite's write lock over all processes, so that a busy writer cannot starve the others."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PAUSE = 0.0005
"""Seconds between two attempts. A commit takes about twice as long."""

PATIENCE = 2.0
"""Seconds after which the process at the head is passed, because it may have been stopped."""


@contextmanager
def head_of_queue(file: Path) -> Iterator[None]:
    """Waits for the head of the queue and stays there for the block, until SQLite's lock is taken.

    The last writer finds somebody there and waits its turn. The queue is advisory: a process that cannot open the file,
    in a folder without write permission, does without.
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
