"""Counts requests to ingest paths that name no source, and logs them now and then without their content."""

from collections.abc import Collection

import structlog
from prometheus_client import Counter

from adapters.http.ingest.log_throttle import LogThrottle

MOST_SEGMENTS = 6
"""The most path segments in a log line."""

_KNOWN = frozenset({"", "in", "webhook"})
_logger = structlog.get_logger()


class UnknownPaths:
    """The counter of one process. Thread-safe. `paths` is the metric to register."""

    def __init__(self, sources: Collection[str]) -> None:
        self.paths = Counter(
            "hookfold_ingest_not_found", "Requests under /in/ that name no source (404).", registry=None
        )
        self._sources = sources
        self._quiet = LogThrottle()

    def tell(self, path: str) -> None:
        """Counts a request and, if the last line is long enough ago, logs it with those since."""
        self.paths.inc()
        count = self._quiet.count()
        if not count:
            return
        names = ", ".join(sorted(self._sources)) or "none yet"
        mend = f"POST to /in/NAME or /in/NAME/webhook with the name of a configured source: {names}"
        _logger.warning("no_such_source", path=self._shape(path), count=count, mend=mend)

    def _shape(self, path: str) -> str:
        """The path with `*` for unknown segments, which may contain anything, such as an e-mail address."""
        segments = path.split("/", MOST_SEGMENTS)
        told = [one if one in _KNOWN or one in self._sources else "*" for one in segments[:MOST_SEGMENTS]]
        return "/".join(told) + ("/…" if len(segments) > MOST_SEGMENTS else "")
