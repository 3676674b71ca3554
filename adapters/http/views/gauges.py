"""The metrics that a scrape reads from the database. Each statement reads a bounded number of rows."""

from itertools import product

from prometheus_client import CollectorRegistry, Gauge

from adapters.http.framework.api import Api
from adapters.http.presenters.due import counted
from core.event import ANOMALIES, SECOND, Instant
from core.folding.fold import MACHINES
from core.views.derived import kind_of

HOUR = 3_600 * SECOND


class Gauges:
    """The gauges, in a registry of their own."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self.registry = CollectorRegistry()
        self._head = self._gauge("hookfold_log_position", "The log's last position.")
        self._wal = self._gauge("hookfold_wal_bytes", "SQLite's write-ahead log; 0 on PostgreSQL.")
        self._lag = self._gauge("hookfold_lag_positions", "By how many positions what is asked is behind the log.")
        self._unsealed = self._gauge("hookfold_unsealed_events", "Events behind the newest signed checkpoint.")
        self._since = self._gauge(
            "hookfold_unsealed_since_timestamp_seconds",
            "When the oldest event was recorded that no signed checkpoint covers; 0 where all are covered.",
        )
        self._sources = self._gauge(
            "hookfold_source_info", "1 for each source that is configured.", "source", "provider"
        )
        self._last = self._gauge(
            "hookfold_source_last_event_timestamp_seconds",
            "When the last event of a source was received; a source that never sent any has none.",
            "source",
        )
        self._silent_after = self._gauge(
            "hookfold_source_silent_after_seconds", "After how long without an event a source is silent.", "source"
        )
        self._live = self._gauge(
            "hookfold_live", "Streams that have yet to end: 10,000 of a kind and a source at most.", "kind", "source"
        )
        self._due = self._gauge(
            "hookfold_due",
            "Those whose end has not come in time, of the 10,000 of a machine and a source that were opened first.",
            "source",
            "what",
        )
        self._relays = [
            self._gauge(f"hookfold_relay_{name}", words, "source")
            for name, words in (
                ("waiting", "Deliveries that wait for a relayed source's handler, counted up to 10,000."),
                ("dead", "Deliveries to a relayed source's handler that were given up, counted up to 10,000."),
                ("oldest_seconds", "For how long the oldest of those that wait has been here; 0 where none waits."),
                ("paused", "1 while nothing of a relayed source is delivered."),
            )
        ]
        self._spools = [
            self._gauge(f"hookfold_spool_{name}", words, "source")
            for name, words in (
                ("bytes", "Deliveries of a source that wait in files for the log, in bytes."),
                ("oldest_seconds", "For how long the oldest of them has been there; 0 where none waits."),
                ("set_aside", "Files of such deliveries that could not be taken into the log."),
            )
        ]
        newest = "Sessions that had an event within the hour, of the newest 2,000"
        self._outcomes = self._gauge("hookfold_recent_outcomes", f"{newest}, by outcome.", "source", "outcome")
        self._anomalies = self._gauge("hookfold_recent_anomalies", f"{newest}, by anomaly.", "source", "kind")

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(name, words, labels, registry=self.registry)

    def look_at_spools(self) -> None:
        """Updates the spools' gauges, without the database. A spool that no longer exists loses its gauge."""
        now = self._api.clock()
        for gauge in self._spools:
            gauge.clear()
        for one in self._api.spools():
            age = 0 if one.oldest_at is None else max(now - one.oldest_at, 0)
            for gauge, value in zip(self._spools, (one.size, age / SECOND, one.aside), strict=True):
                gauge.labels(one.source).set(value)

    def forget(self) -> None:
        """Clears the gauges while the database is away."""
        for gauge in (self._head, self._wal, self._unsealed, self._since, self._lag):
            gauge.set(float("nan"))
        for labelled in (
            *(self._sources, self._last, self._silent_after, self._live, self._due, self._outcomes, self._anomalies),
            *self._relays,
        ):
            labelled.clear()

    def look(self) -> None:
        """Updates the gauges. Raises Unavailable."""
        api, now = self._api, self._api.clock()
        head = api.reads.head()
        self._head.set(head)
        self._wal.set(api.reads.wal_bytes())
        self._lag.set(api.current.status().lag)
        self._look_at_checkpoints(head)
        for source, configured in api.sources.items():
            self._sources.labels(source, configured.provider).set(1)
            self._silent_after.labels(source).set(configured.silent_after / SECOND)
            if (last := api.reads.last_of(source, head)) is not None:
                self._last.labels(source).set(last[1] / SECOND)
        self._look_at_relays(now)
        self._look_at_streams(now)

    def _look_at_relays(self, now: Instant) -> None:
        for source in self._api.relayed:
            state = self._api.reads.relay_state(source)
            age = 0 if state.oldest_at is None else max(now - state.oldest_at, 0)
            values = (state.waiting, state.dead, age / SECOND, state.paused_at is not None)
            for gauge, value in zip(self._relays, values, strict=True):
                gauge.labels(source).set(value)

    def _look_at_checkpoints(self, head: int) -> None:
        signer = self._api.signer
        newest = signer.newest() if signer is not None else None
        sealed = newest.size if newest is not None else 0
        self._unsealed.set(head - sealed)
        oldest = self._api.reads.event(sealed + 1) if sealed < head else None
        self._since.set(oldest.recorded_at / SECOND if oldest is not None else 0)

    def _look_at_streams(self, now: Instant) -> None:
        api, versions = self._api, self._api.current.built()
        for labelled in (self._live, self._due, self._outcomes, self._anomalies):
            labelled.clear()
        for machine, source in product(MACHINES, api.sources):
            if count := api.reads.live(machine, source, versions):
                self._live.labels(kind_of(machine), source).set(count)
        for (source, what), count in counted(api.reads, versions, api.sources, now).items():
            self._due.labels(source, what).set(count)
        for source, outcome, mask, count in api.reads.recent_sessions(versions, api.reads.position_at(now - HOUR)):
            self._outcomes.labels(source, outcome or "none").inc(count)
            for place, kind in enumerate(ANOMALIES):
                if mask & 1 << place:
                    self._anomalies.labels(source, kind).inc(count)
