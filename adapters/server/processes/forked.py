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
    """Forks a child that calls `work` with one end of a socket pair. Returns the child's process id and the other end.

    `closed` are sockets that it must close. Only for a process without threads, because a lock that another thread
    holds would stay locked in the child. Raises OSError if the system cannot start a process.

    In the child, signals to stop are blocked until the work unblocks them, so that they cannot meet it half set up. The
    signal to reread secrets is for the main process alone and stays blocked.
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
    """The child. It never returns to the caller, whose resources would be released a second time."""
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
    """Sets the name shown by `ps -o comm` and `top`. Linux keeps fifteen characters."""
    if sys.platform == "linux":
        with suppress(OSError):
            Path("/proc/self/comm").write_text(name)
