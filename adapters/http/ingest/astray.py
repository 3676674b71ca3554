"""Requests on the senders' side that name no source: counted, logged now and then, with nothing of what was sent."""

from collections.abc import Collection

import structlog
from prometheus_client import Counter

from adapters.http.ingest.quiet import Quiet

MOST_SEGMENTS = 6
"""Segments of a path that a line tells."""

_KNOWN = frozenset({"", "in", "webhook"})
_logger = structlog.get_logger()


class Astray:
    """Of one process; any thread may call. `paths` counts, for whoever registers it."""

    def __init__(self, sources: Collection[str]) -> None:
        self.paths = Counter(
            "hookfold_ingest_not_found", "Requests under /in/ that name no source (404).", registry=None
        )
        self._sources = sources
        self._quiet = Quiet()

    def tell(self, path: str) -> None:
        """Counts one, and logs it together with those since the last line, if that is long enough ago."""
        self.paths.inc()
        count = self._quiet.count()
        if not count:
            return
        names = ", ".join(sorted(self._sources)) or "none yet"
        mend = f"POST to /in/NAME or /in/NAME/webhook with the name of a configured source: {names}"
        _logger.warning("no_such_source", path=self._shape(path), count=count, mend=mend)

    def _shape(self, path: str) -> str:
        """The path with `*` for whatever is not ours: it may be anything, an e-mail address too."""
        segments = path.split("/", MOST_SEGMENTS)
        told = [one if one in _KNOWN or one in self._sources else "*" for one in segments[:MOST_SEGMENTS]]
        return "/".join(told) + ("/…" if len(segments) > MOST_SEGMENTS else "")
