"""Group commit for threads: the lock holder commits for all waiting threads."""

from collections.abc import Callable, Sequence
from itertools import chain
from threading import Lock
from typing import NoReturn

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.log.batch_limits import batch_length
from adapters.sql.log.entries import Receipt
from adapters.sql.log.writer import AppendItem, AppendOutcome, More

PATIENCE = 8.0
"""Seconds. Senders give up after 10 or more."""


class _Slot:
    __slots__ = ("item", "outcome")

    def __init__(self, item: AppendItem) -> None:
        self.item = item
        self.outcome: Receipt | Exception | None = None


class GroupCommit:
    """Commits deliveries that arrive together in one transaction, with a log's `log_commit`.

    A thread that does not get the lock within `patience` seconds raises Unavailable with an unknown outcome: the sender
    retries, and the key identifies the delivery. The lock holder waits as long as the database's own timeouts allow.
    """

    def __init__(
        self, log_commit: Callable[[Sequence[AppendItem], More], list[AppendOutcome]], patience: float = PATIENCE
    ) -> None:
        self._log_commit = log_commit
        self._patience = patience
        self._waiting: list[_Slot] = []
        self._queue = Lock()
        self._turn = Lock()

    def append(self, item: AppendItem) -> Receipt:
        """Appends a delivery and returns after its commit. Thread-safe. Raises Unavailable."""
        slot = _Slot(item)
        with self._queue:
            self._waiting.append(slot)
        if not self._turn.acquire(timeout=self._patience):
            self._leave(slot)
        try:
            while slot.outcome is None:
                self._commit(self._take())
        finally:
            self._turn.release()
        if isinstance(slot.outcome, Receipt):
            return slot.outcome
        raise slot.outcome

    def _leave(self, slot: _Slot) -> NoReturn:
        with self._queue:
            if slot in self._waiting:
                self._waiting.remove(slot)
        raise Unavailable("the commit before this one does not end in time")

    def _take(self, batch: Sequence[_Slot] = ()) -> list[_Slot]:
        """Takes as many waiting slots as fit in a batch with those that it has, the oldest first."""
        with self._queue:
            items = (slot.item for slot in chain(batch, self._waiting))
            taken = self._waiting[: batch_length(items) - len(batch)]
            del self._waiting[: len(taken)]
        return taken

    def _commit(self, batch: list[_Slot]) -> None:
        def more() -> list[AppendItem]:
            later = self._take(batch)
            batch.extend(later)
            return [slot.item for slot in later]

        outcomes: Sequence[Receipt | Exception]
        try:
            outcomes = self._log_commit([slot.item for slot in batch], more)
        except Exception as error:  # noqa: BLE001 - the threads that wait are told, each raises it
            outcomes = [error] * len(batch)
        for slot, outcome in zip(batch, outcomes, strict=True):
            slot.outcome = outcome
