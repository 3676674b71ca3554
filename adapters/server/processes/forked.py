"""Forks a process that runs a function of this one, so that it need not import anything again."""

import os
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from socket import socket, socketpair
from typing import NoReturn

import structlog

from adapters.server.processes.signals import RELOAD, STOPS

_logger = structlog.get_logger()


def forked(name: str, work: Callable[[socket], object], closed: Iterable[socket]) -> tuple[int, socket]:
    """A process that does this work, given its end of a line to us, and ends: its id, and our end of the line.

    `closed`: sockets of ours that it must not hold. Only for a process without threads: a lock that another thread
    holds would stay locked there for ever. Raises OSError where the system has no room for a process.

    It begins with the signals that end a service held back until the work lets them through: who stops a group must
    not meet it half made. The one that has secrets read again is for the main process alone and stays held back.
    """
    ours, theirs = socketpair()
    sys.stdout.flush()
    sys.stderr.flush()
    held = signal.pthread_sigmask(signal.SIG_BLOCK, [*STOPS, RELOAD])
    try:
        process = os.fork()
        if process == 0:
            _run(name, partial(work, theirs), [*closed, ours])
    except OSError:
        ours.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        theirs.close()
    return process, ours


def _run(name: str, work: Callable[[], object], closed: Iterable[socket]) -> NoReturn:
    """Nothing of the caller goes on here: what it still holds would be released a second time."""
    status = 1
    try:
        signal.set_wakeup_fd(-1)
        for told in (*STOPS, RELOAD):
            signal.signal(told, signal.SIG_DFL)
        for one in closed:
            one.close()
        _call(name)
        work()
        status = 0
    except BaseException:
        _logger.exception("process_failed", process=name)
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(status)


def _call(name: str) -> None:
    """What `ps -o comm` and `top` tell; Linux keeps fifteen characters of it."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/comm").write_text(name)
