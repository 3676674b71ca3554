"""Counts the outcomes of deliveries by source, and logs those that need attention now and then.

A line has the source, a code of ours, a position and the database's own fault, never anything that was sent.
"""

from functools import cache

import structlog
from prometheus_client import Counter

from adapters.http.ingest.log_throttle import LogThrottle
from adapters.sql import KEPT_DELIVERIES, Rejection
from core.event import READINGS

_logger = structlog.get_logger()


class Outcomes:
    """The counters of one process. Thread-safe."""

    def __init__(self) -> None:
        deliveries = Counter(
            "hookfold_deliveries", "Deliveries answered, by what became of them.", ["source", "outcome"], registry=None
        )
        readings = Counter(
            "hookfold_readings",
            "Authentic deliveries that were recorded, by how their bodies could be read.",
            ["source", "reading"],
            registry=None,
        )
        rejections = Counter(
            "hookfold_rejections", "Deliveries that were refused at the door.", ["source", "reason"], registry=None
        )
        self.counters = (deliveries, readings, rejections)
        self._delivery = cache(deliveries.labels)
        self._reading = cache(readings.labels)
        self._rejection = cache(rejections.labels)
        self._quiet = cache(lambda _source, _code: LogThrottle())

    def unrecorded(self, source: str, reason: str) -> None:
        """Counts a delivery that the log could not commit. `reason` names the fault, nothing that was sent."""
        self._delivery(source, "unrecorded").inc()
        if count := self._quiet(source, "unrecorded").count():
            _logger.warning("unrecorded", source=source, reason=reason, count=count, mend=_UNRECORDED)

    def spooled(self, source: str) -> None:
        """Counts a delivery that waits in a file for the log."""
        self._delivery(source, "spooled").inc()

    def recorded(self, source: str, verdict: str, reading: str, position: int, fault: str | None = None) -> None:
        """Counts a recorded delivery. `reading` is one of READINGS, `fault` the reason why the body cannot be read.

        A fault names documented fields and places in the body, never a value.
        """
        self._delivery(source, verdict).inc()
        self._reading(source, reading).inc()
        if reading != READINGS[0] and (count := self._quiet(source, reading).count()):
            every = f"/v1/events?reading={reading}&source={source}"
            mend = f"what was wrong with the last one, and what was meant: /v1/events/{position}; all: {every}"
            told = {} if fault is None else {"fault": fault}
            _logger.warning(
                "misread", source=source, reading=reading, position=position, count=count, **told, mend=mend
            )

    def rejected(self, rejection: Rejection) -> None:
        """Counts a recorded rejection."""
        source, reason = rejection.source, rejection.reason
        self._delivery(source, "rejected").inc()
        self._rejection(source, reason).inc()
        if count := self._quiet(source, reason).count():
            mend = f"why: the hints under /v1/rejections?source={source}"
            if rejection.status == _FORGED:
                mend += _RELEASE.format(source=source)
            _logger.warning("rejected", source=source, reason=reason, status=rejection.status, count=count, mend=mend)


_UNRECORDED = (
    "senders were told to retry (503). /readyz names a fault of the database. If it is 200, the writing process was "
    "away (why: the lines `writer_died`, `killed`), or the disk or the database is too slow for what comes"
)
_FORGED = 401
_RELEASE = (
    "; if a secret was wrong here, correct it: `hookfold quarantine release --source {source}` then takes what it "
    f"turned away, the newest {KEPT_DELIVERIES:,} at most"
)
