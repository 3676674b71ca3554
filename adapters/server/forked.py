"""Starts a process that runs a function of this one: what is imported here need not be imported there."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from socket import socket
from typing import NoReturn

import structlog

from adapters.server.signals import RELOAD, STOPS

_logger = structlog.get_logger()


def forked(name: str, work: Callable[[], object], closed: Iterable[socket]) -> int:
    """The id of a process that does this work and ends. `closed`: files of ours that it must not hold open.

    Only for a process without threads: a lock that another thread holds would stay locked there for ever. Raises
    OSError where the system has no room for a process.

    It begins with the signals that end a service held back: who stops a group must not meet it half made. The one that
    is for the main process alone stays so.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPS, RELOAD])
    try:
        process = os.fork()
        if process == 0:
            _run(name, work, closed)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return process


def _run(name: str, work: Callable[[], object], closed: Iterable[socket]) -> NoReturn:
    """Nothing of the caller goes on here: what it still holds would be released a second time."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for told in (*STOPS, RELOAD):
            signal.signal(told, signal.SIG_DFL)
        for line in closed:
            line.close()
        _call(name)
        work()
        status = 0
    except BaseException:
        _logger.exception("process_failed", process=name)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _call(name: str) -> None:
    """What `ps -o comm` and `top` tell; Linux keeps fifteen characters of it."""
    if sys.platform == "linux":
        Path("/proc/self/comm").write_text(name)
