"""Group commit for threads: whoever gets the turn commits for all who wait."""

from collections.abc import Callable, Sequence
from threading import Lock
from typing import NoReturn

from adapters.sql.database.exceptions import Unavailable
from adapters.sql.log.batch_limits import batch_length
from adapters.sql.log.entries import Receipt
from adapters.sql.log.writer import AppendItem, AppendOutcome

PATIENCE = 8.0
"""Seconds; senders give up after 10 and more."""


class _Slot:
    __slots__ = ("item", "outcome")

    def __init__(self, item: AppendItem) -> None:
        self.item = item
        self.outcome: Receipt | Exception | None = None


class GroupCommit:
    """Deliveries that arrive together share one transaction. `log_commit` is that of a log.

    Who has not had the turn within `patience` seconds is told that the outcome is unknown: a sender tries again, and is
    known by its key. The one that has the turn waits as long as the database's own deadlines say.
    """

    def __init__(
        self, log_commit: Callable[[Sequence[AppendItem]], list[AppendOutcome]], patience: float = PATIENCE
    ) -> None:
        self._log_commit = log_commit
        self._patience = patience
        self._waiting: list[_Slot] = []
        self._queue = Lock()
        self._turn = Lock()

    def append(self, item: AppendItem) -> Receipt:
        """Hands in a delivery and returns after its commit; any thread may call. Raises Unavailable."""
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

    def _take(self) -> list[_Slot]:
        """Those that wait, from the first on, as far as they fit; later ones are appended behind them and stay."""
        with self._queue:
            batch = self._waiting[: batch_length(slot.item for slot in self._waiting)]
            del self._waiting[: len(batch)]
        return batch

    def _commit(self, batch: Sequence[_Slot]) -> None:
        outcomes: Sequence[Receipt | Exception]
        try:
            outcomes = self._log_commit([slot.item for slot in batch])
        except Exception as error:  # noqa: BLE001 - the threads that wait are told, each raises it
            outcomes = [error] * len(batch)
        for slot, outcome in zip(batch, outcomes, strict=True):
            slot.outcome = outcome
