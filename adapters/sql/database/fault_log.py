"""Logs what keeps a background thread from its work: once a minute for a cause, since the thread tries again soon."""

from time import monotonic

import structlog

from adapters.sql.database.errors import cause_of, is_for_now

QUIET = 60.0
"""Seconds between two lines with one cause."""

_DATABASE = "database"
_logger = structlog.get_logger()


class FaultLog:
    """The lines of one thread. A database that is away is a warning without frames: its faults all come from the
    driver, and differ in their words while it stops and starts.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._cause: str | None = None
        self._count = 0
        self._due = 0.0

    def tell(self, error: Exception, reason: str | None = None) -> None:
        """Within an `except` block. `reason` replaces the description of the error."""
        told = reason or cause_of(error)
        away = is_for_now(error)
        cause = _DATABASE if away else told
        if cause != self._cause:
            self._cause, self._count, self._due = cause, 0, 0.0
        self._count += 1
        if monotonic() < self._due:
            return
        log = _logger.warning if away else _logger.exception
        log(self._name, reason=told, count=self._count)
        self._count, self._due = 0, monotonic() + QUIET
