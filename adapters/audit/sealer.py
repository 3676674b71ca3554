"""Keeps the tree up with the log, and signs a checkpoint every `checkpoint_every` seconds while the log grows."""

import time
from threading import Event, Thread

from adapters.audit.checkpoint_signer import CheckpointSigner, Contradiction
from adapters.sql import FaultLog, MissingEvent, leave

TICK = 2.0
"""Seconds between two looks at the log."""


class Sealer:
    """A thread; those of several processes take turns at the database. `every`: seconds between two checkpoints.

    `faults`: how often it could not do its work.
    """

    def __init__(self, signer: CheckpointSigner, every: float, tick: float = TICK) -> None:
        self._signer = signer
        self._every = every
        self._tick = tick
        self._seen = (0, time.monotonic())
        self._stopped = Event()
        self._log = FaultLog("sealing_failed")
        self.faults = 0
        self._thread = Thread(target=self._run, name="hookfold-seal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after what it is doing, or leaves it behind where that takes too long."""
        self._stopped.set()
        leave(self._thread)

    def _run(self) -> None:
        while not self._stopped.wait(self._tick):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001 - it is told, and the thread goes on
                self.faults += 1
                self._log.tell(error, str(error) if isinstance(error, Contradiction | MissingEvent) else None)

    def look(self) -> None:
        """Seals what is new, and makes a checkpoint where the newest one is old enough and the log grew.

        When it was made is not on record: what counts is since when this process knows it.
        """
        newest = self._signer.newest()
        size = newest.size if newest else 0
        if size != self._seen[0]:
            self._seen = (size, time.monotonic())
        if self._signer.head() == size:
            return
        self._signer.seal()
        if time.monotonic() - self._seen[1] >= self._every:
            self._signer.checkpoint()
