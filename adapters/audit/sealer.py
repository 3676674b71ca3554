"""Keeps the tree up with the log, and signs a checkpoint every `checkpoint_every` seconds while the log grows."""

import time
from threading import Event, Thread

from adapters.audit.checkpoint_signer import CheckpointSigner, Contradiction
from adapters.sql import FaultLog, MissingEvent, leave

TICK = 2.0
"""Seconds between two checks for new events."""


class Sealer:
    """A thread. Sealers of several processes exclude each other by a lock. `every`: seconds between two checkpoints.

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
        """Ends the thread after its current step. If that takes too long, the thread is left behind."""
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
        """Appends new events to the tree. Signs a checkpoint if there are any and the newest one is old enough.

        A checkpoint has no time, so its age counts from when this process first saw it.
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
