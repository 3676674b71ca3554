"""The process that writes: one for a whole service, one thread, so that nobody fights for a lock or an interpreter.

While it commits, deliveries pile up in the sockets of the processes that serve; the next transaction takes them all.
"""

import selectors
import socket
from collections.abc import Callable, Sequence
from typing import Any

import structlog

from adapters.server.frames import Inbox, Item, Outcome, frame, pack
from adapters.sql import Receipt, Unavailable

MOST_PER_COMMIT = 256
_READ = 1 << 20
_logger = structlog.get_logger()


class Writer:
    """Commits what connected processes send. `append` commits a batch; `alive` closes with our parent."""

    def __init__(
        self, listener: socket.socket, alive: Any, append: Callable[[Sequence[Item]], Sequence[Receipt]]
    ) -> None:
        self._append = append
        self._listener = listener
        self._alive = alive
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(alive, selectors.EVENT_READ)
        self._away = False

    def run(self) -> None:
        """Returns when the parent is gone, after all that was received is committed and answered."""
        while True:
            ready = [key for key, _ in self._selector.select()]
            sent = [(key.fileobj, items) for key in ready if key.data and (items := self._receive(key))]
            if sent:
                self._commit(sent)
            if any(key.fileobj is self._listener for key in ready):
                self._accept()
            if any(key.fileobj is self._alive for key in ready):
                return

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        self._selector.register(connection, selectors.EVENT_READ, Inbox[Item](Item))  # type: ignore[arg-type]  # a union

    def _receive(self, key: selectors.SelectorKey) -> list[Item]:
        connection: Any = key.fileobj
        try:
            data = connection.recv(_READ)
        except OSError:
            data = b""
        if not data:
            self._forget(connection)
        items: list[Item] = key.data.whole(data)
        return items

    def _forget(self, connection: Any) -> None:
        self._selector.unregister(connection)
        connection.close()

    def _commit(self, sent: Sequence[tuple[Any, list[Item]]]) -> None:
        batch = [item for _, items in sent for item in items]
        outcomes = [
            outcome
            for start in range(0, len(batch), MOST_PER_COMMIT)
            for outcome in self._outcomes(batch[start : start + MOST_PER_COMMIT])
        ]
        for connection, items in sent:
            answered, outcomes = outcomes[: len(items)], outcomes[len(items) :]
            self._answer(connection, frame([*map(pack, answered)]))

    def _outcomes(self, batch: Sequence[Item]) -> Sequence[Outcome]:
        """One for each. The log is told when the database goes and when it is back, not for every batch in between."""
        try:
            outcomes = self._append(batch)
        except Unavailable as error:
            if not self._away:
                _logger.warning("log_unavailable", reason=str(error))
            self._away = True
            return [str(error)] * len(batch)
        except Exception as error:
            _logger.exception("append_failed")
            return [type(error).__name__] * len(batch)
        if self._away:
            _logger.warning("log_available")
        self._away = False
        return outcomes

    def _answer(self, connection: Any, frames: bytes) -> None:
        """A process that died does not hear what became of its deliveries; their senders send them again."""
        try:
            connection.sendall(frames)
        except OSError:
            self._forget(connection)
