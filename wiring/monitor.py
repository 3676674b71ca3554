"""Checks the log periodically for missing events: silent sources, and streams whose end is overdue."""

from collections.abc import Callable, Mapping
from threading import Event, Thread

import structlog

from adapters.http import due_counts
from adapters.sql import Code, Reads, Source, Unavailable
from core.event import SECOND, Instant
from core.instants import utc

EVERY = 60.0
"""Seconds between two checks."""

_PATHS = {"overdue": "/v1/actions?overdue=true, /v1/sessions?overdue=true", "silent": "/v1/registrations?silent=true"}
_logger = structlog.get_logger()


class Monitor:
    """The thread of the checks. Logs a silence once, and due streams when they appear or have doubled."""

    def __init__(self, reads: Reads, code: Code, clock: Callable[[], Instant], every: float = EVERY) -> None:
        self._reads = reads
        self._sources: Mapping[str, Source] = code.sources
        self._current = reads.current(code)
        self._clock = clock
        self._began = clock()
        self._every = every
        self._silent: set[str] = set()
        self._due: dict[tuple[str, str], int] = {}
        self._stopped = Event()
        self._thread = Thread(target=self._run, name="hookfold-monitor", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread after its current check."""
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._every):
            try:
                self.look()
            except Unavailable:
                continue
            except Exception:
                _logger.exception("monitoring_failed")

    def look(self) -> None:
        """One check. Raises Unavailable."""
        now = self._clock()
        self._look_for_silence(now)
        self._look_for_bursts(now)

    def _look_for_silence(self, now: Instant) -> None:
        head = self._reads.head()
        for source, configured in self._sources.items():
            last = self._reads.last_of(source, head)
            since = self._began if last is None else last[1]
            if now - since <= configured.silent_after:
                self._silent.discard(source)
            elif source not in self._silent:
                self._silent.add(source)
                mend = f"look at the sender, and at /v1/rejections?source={source}"
                told = {"silent_after_s": configured.silent_after / SECOND, "ever_heard": last is not None}
                _logger.warning("source_silent", source=source, since=utc(since), **told, mend=mend)

    def _look_for_bursts(self, now: Instant) -> None:
        found = due_counts(self._reads, self._current.built(), self._sources, now)
        self._due = {key: count for key, count in self._due.items() if key in found}
        for key, count in found.items():
            if count < 2 * self._due.get(key, 0):
                continue
            self._due[key] = count
            source, what = key
            where = _PATHS.get(what, f"/v1/sessions?{what}=true")
            _logger.warning("due", source=source, what=what, count=count, mend=f"which ones: {where}")
