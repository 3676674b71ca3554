"""A cache of past states. What the log had at a position never changes, so neither does its fold."""

from collections import OrderedDict
from threading import Lock
from typing import Any

SnapshotKey = tuple[Any, ...]


class Snapshots:
    """An LRU cache of encoded past states, of at most `most` bytes. Keys are not counted. Thread-safe."""

    def __init__(self, most: int = 16 * 2**20) -> None:
        self._most = most
        self._held = 0
        self._kept: OrderedDict[SnapshotKey, bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: SnapshotKey) -> bytes | None:
        """The state under a key; None if there is none."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: SnapshotKey, snapshot: bytes) -> None:
        """Stores a state and evicts the least recently used ones."""
        with self._lock:
            self._held += len(snapshot) - len(self._kept.pop(key, b""))
            self._kept[key] = snapshot
            while self._held > self._most:
                self._held -= len(self._kept.popitem(last=False)[1])
