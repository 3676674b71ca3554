"""The writing process: one thread for a whole service, so nothing contends for the lock or the interpreter.

While it commits, deliveries accumulate in the sockets of the serving processes; the next transaction takes them all.
"""

import selectors
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import chain, groupby
from operator import itemgetter
from time import time_ns
from typing import Any, NamedTuple, Protocol

import structlog

from adapters.server.commits.frames import Inbox, Item, Listen, Outcome, Trace, Unstored, frame, pack
from adapters.server.commits.spans import Spans
from adapters.server.processes.ends import accept
from adapters.server.processes.parent import Parent
from adapters.server.processes.pulse import EVERY, Pulse
from adapters.server.processes.signals import leave_to_parent
from adapters.sql import Receipt, Unavailable, Unstorable, batch_length

MOST_UNDER_WAY = 2
"""The most unanswered batches. While the database works on one, the next one is built and sent."""

LONGEST = 120.0
"""The longest batch in seconds. After it this process is restarted; a silent database is given up long before."""

PATIENCE = 5.0
"""Seconds for a process to receive its outcomes, while others wait."""

_READ = 1 << 20
_NEWS = frame([])
_OUTCOME = object()
_logger = structlog.get_logger()


class Appends(Protocol):
    """The log's interface (`Log`). `socket` is readable when the oldest batch's outcome has arrived, or it is
    `answered`.
    """

    @property
    def socket(self) -> int | None: ...

    @property
    def answered(self) -> bool: ...

    def begin(self, batch: Sequence[Item], more: Callable[[], Sequence[Item]]) -> Any: ...

    def finish(self, sent: Any) -> Sequence[Receipt | Unstorable]: ...


class _Received(NamedTuple):
    """A delivery, its connection, and its span's context if it is traced."""

    connection: Any
    item: Item
    trace: bytes


class _UnderWay(NamedTuple):
    """An unanswered batch. `begun` is its start in nanoseconds if deliveries are traced."""

    batch: list[_Received]
    sent: Any
    begun: int


class Writer:
    """Commits the deliveries of the processes that have passed their socket ends to `listener`. `spans` traces them."""

    def __init__(self, parent: Parent, listener: socket.socket, log: Appends, spans: Spans | None = None) -> None:
        self._log = log
        self._spans = spans
        self._pulse = Pulse(LONGEST, parent.line)
        self._listener = listener
        self._parent = parent
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(parent.line, selectors.EVENT_READ)
        self._waiting: list[_Received] = []
        self._under_way: deque[_UnderWay] = deque()
        self._listening: set[Any] = set()
        self._away = False
        self._buffer = memoryview(bytearray(_READ))

    def run(self) -> None:
        """Runs until the parent's pipe closes and everything received is committed and answered."""
        self._pulse.start()
        while True:
            ready = self._wait()
            if not self._under_way:
                self._pulse.goes_on()
            if any(key.data is _OUTCOME for key in ready):
                self._finish()
                self._finish_answered()
            self._receive_all(ready)
            self._begin()
            if any(key.fileobj is self._listener for key in ready):
                self._accept()
            if any(key.fileobj is self._parent.line for key in ready):
                break
        while self._under_way:
            self._finish()
            self._begin()

    def _accept(self) -> None:
        connection = accept(self._listener)
        if connection is not None:
            connection.settimeout(PATIENCE)
            self._selector.register(connection, selectors.EVENT_READ, _inbox())

    def _wait(self) -> list[selectors.SelectorKey]:
        """Waits for readable sockets. Registers the log's socket for this call only.

        Before the next call its connection may be replaced, and the new socket may have the old one's number.
        """
        outcome = self._log.socket
        if outcome is None:
            return [key for key, _ in self._selector.select(EVERY)]
        self._selector.register(outcome, selectors.EVENT_READ, _OUTCOME)
        try:
            return [key for key, _ in self._selector.select(EVERY)]
        finally:
            self._selector.unregister(outcome)

    def _receive_all(self, ready: Iterable[selectors.SelectorKey]) -> None:
        for key in ready:
            if isinstance(key.data, Inbox):
                self._waiting += self._receive(key)

    def _receive(self, key: selectors.SelectorKey) -> list[_Received]:
        connection: Any = key.fileobj
        try:
            data = self._buffer[: connection.recv_into(self._buffer)]
        except OSError:
            data = self._buffer[:0]
        if not data:
            self._forget(connection)
        received, trace = [], b""
        for content in key.data.whole(data):
            if isinstance(content, Trace):
                trace = content.context
            elif isinstance(content, Listen):
                self._listening.add(connection)
            else:
                received.append(_Received(connection, content, trace))
                trace = b""
        return received

    def _forget(self, connection: Any) -> None:
        """Drops a connection once, since a process that died while it was answered may be readable in the same turn."""
        self._listening.discard(connection)
        if connection.fileno() >= 0:
            self._selector.unregister(connection)
            connection.close()

    def _begin(self) -> None:
        """Starts batches of waiting deliveries while fewer than the most are unanswered."""
        while self._waiting and self._may_begin():
            count = batch_length(one.item for one in self._waiting)
            batch, self._waiting = self._waiting[:count], self._waiting[count:]
            begun = 0 if self._spans is None else time_ns()
            sent = self._log.begin([one.item for one in batch], partial(self._more, batch))
            self._under_way.append(_UnderWay(batch, sent, begun))
            self._finish_answered()

    def _more(self, batch: list[_Received]) -> list[Item]:
        """Adds to a batch what has arrived since it was formed: what waits for a lock is as large as it can be."""
        self._receive_all(key for key, _ in self._selector.select(0))
        count = batch_length(one.item for one in chain(batch, self._waiting)) - len(batch)
        later, self._waiting = self._waiting[:count], self._waiting[count:]
        batch += later
        return [one.item for one in later]

    def _may_begin(self) -> bool:
        """Whether a second batch may start: once it is as large as the first, because small batches are expensive."""
        if not self._under_way:
            return True
        return len(self._under_way) < MOST_UNDER_WAY and len(self._waiting) >= len(self._under_way[-1].batch)

    def _finish_answered(self) -> None:
        while self._under_way and self._log.answered:
            self._finish()

    def _finish(self) -> None:
        """Answers the oldest batch once its outcome is known."""
        self._pulse.goes_on()
        batch, sent, begun = self._under_way.popleft()
        connections = [one.connection for one in batch]
        outcomes = self._outcomes(len(batch), sent)
        answers = zip(connections, map(pack, outcomes), strict=True)
        for connection, some in groupby(answers, itemgetter(0)):
            self._answer(connection, frame([packed for _, packed in some]))
        for connection in self._listening.difference(connections):
            self._answer(connection, _NEWS)
        if self._spans is not None:
            self._spans.committed(begun, [(one.trace, told) for one, told in zip(batch, outcomes, strict=True)])

    def _outcomes(self, count: int, sent: Any) -> Sequence[Outcome]:
        """An outcome for each delivery. Logs when the database goes away and when it is back, not every batch in
        between.
        """
        try:
            outcomes = self._log.finish(sent)
        except Unavailable as error:
            if not self._away:
                _logger.warning("log_unavailable", reason=str(error))
            self._away = True
            return [str(error)] * count
        except Exception as error:
            _logger.exception("append_failed")
            return [type(error).__name__] * count
        if self._away:
            _logger.warning("log_available")
        self._away = False
        return [Unstored(str(one)) if isinstance(one, Unstorable) else one for one in outcomes]

    def _answer(self, connection: Any, frames: bytes) -> None:
        """A process that died does not hear what became of its deliveries; their senders send them again."""
        try:
            connection.sendall(frames)
        except OSError:
            self._forget(connection)


def _inbox() -> Inbox[Item | Listen | Trace]:
    return Inbox[Item | Listen | Trace](Item | Listen | Trace)  # type: ignore[arg-type]  # a union


def write_for_parent(parent: Parent, listener: socket.socket, log: Appends, spans: Spans | None = None) -> None:
    """Runs the writer until the parent's pipe closes."""
    leave_to_parent()
    Writer(parent, listener, log, spans).run()
