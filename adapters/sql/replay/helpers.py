"""Helper processes that fold for the building process. They are forked, so they have its machines and sources.

A connection must not be used on both sides of a fork: the builder reads and writes, helpers receive events and return
rows.
"""

import gc
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait

import msgspec
import structlog

from adapters.sql.projections.refold import FailedStream, FoldedStream, History

Fold = Callable[[History], FoldedStream | FailedStream]

_fork = multiprocessing.get_context("fork")
_histories = msgspec.msgpack.Decoder(list[History])
_folded = msgspec.msgpack.Decoder(list[FoldedStream | FailedStream])
_encode = msgspec.msgpack.Encoder().encode
_logger = structlog.get_logger()


def spare_cores() -> int:
    """How many processes can help this one with a replay. With more than three, the builder is the bottleneck."""
    return min(3, len(os.sched_getaffinity(0)) - 1) if sys.platform == "linux" else 0


class Died(Exception):
    """A helper ended prematurely: it was killed, or memory was short. The message has its exit code."""


class Helper:
    """A helper process with one unit of work at a time. It ends with this process in any case."""

    def __init__(self, fold: Fold) -> None:
        self.connection, theirs = _fork.Pipe()
        self._process = _fork.Process(target=_help, args=(theirs, self.connection, fold), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, histories: Sequence[History]) -> None:
        """Sends histories to fold."""
        with suppress(OSError):  # `take` reports a dead helper
            self.connection.send_bytes(_encode(histories))

    def take(self) -> list[FoldedStream | FailedStream]:
        """Waits for the results, in the same order. Raises Died."""
        try:
            return _folded.decode(self.connection.recv_bytes())
        except (EOFError, OSError) as error:
            self._process.join()
            raise Died(f"exit code {self._process.exitcode}") from error

    def join(self) -> None:
        """Waits for its end, which follows once its connection and those of all later helpers are closed."""
        self._process.join()


@contextmanager
def helping(count: int, fold: Fold) -> Iterator[list[Helper]]:
    """Up to `count` helpers for the block, as many as can be started, possibly none."""
    helpers: list[Helper] = []
    try:
        _start(helpers, count, fold)
        yield helpers
    finally:
        for helper in helpers:
            helper.connection.close()
        for helper in helpers:
            helper.join()


def _start(helpers: list[Helper], count: int, fold: Fold) -> None:
    try:
        helpers.extend(Helper(fold) for _ in range(count))  # those before one that fails to start stay
    except OSError as error:  # a limit on processes or files, or memory is short
        _logger.warning("helper_not_started", reason=str(error), helpers=len(helpers))


def done(helpers: Sequence[Helper], *, patient: bool) -> list[Helper]:
    """The busy helpers with a result. With `patient`, waits until one has."""
    ready = wait([helper.connection for helper in helpers], None if patient else 0)
    return [helper for helper in helpers if helper.connection in ready]


def _help(connection: Connection, parents: Connection, fold: Fold) -> None:
    """A helper's loop, until its pipe closes, which happens at the latest with its parent."""
    parents.close()
    gc.freeze()  # must not close connections that were garbage before the fork
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the parent ends first
    with suppress(EOFError, OSError):
        while True:
            histories = _histories.decode(connection.recv_bytes())
            connection.send_bytes(_encode([fold(history) for history in histories]))
