"""Group commit: requests that arrive together share one transaction, and each is answered after it."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from threading import Event, Lock, Thread
from typing import Any

from adapters.sql.entries import Receipt, Unavailable
from adapters.sql.log import Item

MOST_PER_COMMIT = 256


class Slot:
    """One delivery on its way. `done` is called once for all slots of a commit that share it; `outcome` is set then."""

    __slots__ = ("done", "item", "outcome", "waiter")

    def __init__(self, item: Item, done: Callable[[Sequence["Slot"]], None], waiter: Any) -> None:
        self.item = item
        self.done = done
        self.waiter = waiter
        self.outcome: Receipt | Exception | None = None


class GroupCommit:
    """One thread that commits what all others hand in. `append` commits a batch (`Log.append`)."""

    def __init__(self, append: Callable[[Sequence[Item]], list[Receipt]]) -> None:
        self._append = append
        self._waiting: list[Slot] = []
        self._lock = Lock()
        self._arrived = Event()
        self._closed = False
        self._thread = Thread(target=self._run, name="hookfold-commit", daemon=True)
        self._thread.start()

    def submit(self, item: Item, done: Callable[[Sequence[Slot]], None], waiter: Any) -> Slot:
        """Hands in a delivery; returns at once. Any thread may call."""
        slot = Slot(item, done, waiter)
        with self._lock:
            if self._closed:
                raise Unavailable("the service is stopping")
            self._waiting.append(slot)
        self._arrived.set()
        return slot

    def append(self, item: Item) -> Receipt:
        """Hands in a delivery and waits for its commit. Raises Unavailable."""
        waiter = Lock()
        waiter.acquire()
        slot = self.submit(item, _release, waiter)
        waiter.acquire()
        if isinstance(slot.outcome, Receipt):
            return slot.outcome
        raise slot.outcome or Unavailable("no outcome")

    def close(self) -> None:
        """Commits what was handed in, then ends the thread."""
        with self._lock:
            self._closed = True
        self._arrived.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            self._arrived.wait()
            self._arrived.clear()
            while batch := self._take():
                self._commit(batch)
            if self._closed:
                return

    def _take(self) -> list[Slot]:
        with self._lock:
            batch = self._waiting[:MOST_PER_COMMIT]
            del self._waiting[:MOST_PER_COMMIT]
        return batch

    def _commit(self, batch: Sequence[Slot]) -> None:
        try:
            outcomes: Sequence[Receipt | Exception] = self._append([slot.item for slot in batch])
        except Exception as error:  # noqa: BLE001 - every waiter is told, whatever went wrong; the thread must live on
            outcomes = [error] * len(batch)
        groups: dict[Callable[[Sequence[Slot]], None], list[Slot]] = defaultdict(list)
        for slot, outcome in zip(batch, outcomes, strict=True):
            slot.outcome = outcome
            groups[slot.done].append(slot)
        for done, slots in groups.items():
            done(slots)


def _release(slots: Sequence[Slot]) -> None:
    for slot in slots:
        slot.waiter.release()
