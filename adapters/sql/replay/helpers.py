"""Processes that fold beside the one that builds. They are forked, and know its machines and sources without a word.

No connection may be used on both sides of a fork: that one reads and writes; stored events go over, rows come back.
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
    """How many processes can help this one with a replay: with more than three, it would be the one they wait for."""
    return min(3, len(os.sched_getaffinity(0)) - 1) if sys.platform == "linux" else 0


class Died(Exception):
    """A helper has ended before its time: somebody killed it, or memory was short. The text tells its exit code."""


class Helper:
    """One such process, with one load of work at a time. It ends with this process, whatever ends that."""

    def __init__(self, fold: Fold) -> None:
        self.connection, theirs = _fork.Pipe()
        self._process = _fork.Process(target=_help, args=(theirs, self.connection, fold), daemon=True)
        self._process.start()
        theirs.close()

    def give(self, histories: Sequence[History]) -> None:
        """Lets it fold these."""
        with suppress(OSError):  # one that has died is seen by who takes
            self.connection.send_bytes(_encode(histories))

    def take(self) -> list[FoldedStream | FailedStream]:
        """What became of them, in their order; waits for it. Raises Died."""
        try:
            return _folded.decode(self.connection.recv_bytes())
        except (EOFError, OSError) as error:
            self._process.join()
            raise Died(f"exit code {self._process.exitcode}") from error

    def join(self) -> None:
        """Waits for its end, which comes once its connection, and those of all later helpers, are closed."""
        self._process.join()


@contextmanager
def helping(count: int, fold: Fold) -> Iterator[list[Helper]]:
    """So many helpers while the block lasts, or as many as the machine lets this process start: none, maybe."""
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
        helpers.extend(Helper(fold) for _ in range(count))  # those before the one that fails stay
    except OSError as error:  # a limit on processes or files, or memory is short
        _logger.warning("helper_not_started", reason=str(error), helpers=len(helpers))


def done(helpers: Sequence[Helper], *, patient: bool) -> list[Helper]:
    """Those of the busy helpers that have something to take; `patient` waits until one has."""
    ready = wait([helper.connection for helper in helpers], None if patient else 0)
    return [helper for helper in helpers if helper.connection in ready]


def _help(connection: Connection, parents: Connection, fold: Fold) -> None:
    """What a helper does until the pipe closes, which it does with its parent."""
    parents.close()
    gc.freeze()  # a connection that was garbage before the fork must not be closed from here
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent ends first
    with suppress(EOFError, OSError):
        while True:
            histories = _histories.decode(connection.recv_bytes())
            connection.send_bytes(_encode([fold(history) for history in histories]))
