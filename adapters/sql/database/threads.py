"""Threads that work on the database beside a service, and are left behind where they hang in it at its end."""

from threading import Thread

import structlog

PATIENCE = 5.0
"""Seconds for what a thread is doing when the service stops."""

_logger = structlog.get_logger()


def leave(thread: Thread, patience: float | None = None) -> None:
    """Returns when the thread has ended, or has not in time: it is a daemon, and ends with the process then."""
    thread.join(PATIENCE if patience is None else patience)
    if thread.is_alive():
        _logger.error("left_behind", thread=thread.name, reason="it hangs in the database")
