"""Sockets and files that the main process opens for its children. It outlives them: clients wait while one restarts."""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import IO

_ACCEPTED = 1_024
"""The listen backlog of a serving process, as far as the system allows."""
_UNHEARD = 30_000
"""Milliseconds for a client to acknowledge data (RFC 5482), so that a vanished one is noticed."""


@contextmanager
def to_writer() -> Iterator[tuple[socket.socket, socket.socket]]:
    """The two ends through which processes connect to the writer: theirs, and the writer's. See `ends`."""
    handing, taking = socket.socketpair()
    with handing, taking:
        handing.setblocking(False)
        taking.setblocking(False)
        yield handing, taking


@contextmanager
def counting(processes: int) -> Iterator[Sequence[int]]:
    """Context manager: opens a file of counters for each process. Yields their descriptors."""
    with ExitStack() as opened:
        yield [opened.enter_context(_file()).fileno() for _ in range(processes)]


@contextmanager
def listening(host: str, port: int, processes: int) -> Iterator[Sequence[socket.socket]]:
    """A listening socket for each process, all on one port."""
    with ExitStack() as opened:
        yield [opened.enter_context(_listening(host, port)) for _ in range(processes)]


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if sys.platform == "linux":  # its connections take it over
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNHEARD)
        one.bind((host, port))
        one.listen(_ACCEPTED)
        yield one


def _file() -> IO[bytes]:
    """An anonymous file, which is gone with the last process that holds it."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("hookfold-tally"), "r+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
