"""Stops background threads that use the database, without waiting for one that hangs in it."""

from threading import Thread

import structlog

PATIENCE = 5.0
"""Seconds that a thread has for its current work when the service stops."""

_logger = structlog.get_logger()


def leave(thread: Thread, patience: float | None = None) -> None:
    """Waits until the thread ends or the patience is over. It is a daemon thread and ends with the process."""
    thread.join(PATIENCE if patience is None else patience)
    if thread.is_alive():
        _logger.error("left_behind", thread=thread.name, reason="it hangs in the database")
