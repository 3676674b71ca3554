"""Counts requests by route, never by path: ours hold ids, foreign ones hold anything."""

from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from adapters.http.framework.api import Api
from adapters.http.framework.waiting import carried_of
from adapters.sql import Unavailable
from core.event import SECOND

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What is counted, in the registry that the Api holds; by itself what no process counts: how long the log is."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._requests = Counter(
            "hookfold_http_requests", "Requests answered.", ["method", "route", "status"], registry=api.registry
        )
        self._seconds = Histogram("hookfold_http_request_seconds", "Time to answer.", ["route"], registry=api.registry)
        api.registry.register(api.waiting.taken)
        self._log = CollectorRegistry()
        self._head = Gauge("hookfold_log_position", "The log's last position.", registry=self._log)
        self._wal = Gauge("hookfold_wal_bytes", "SQLite's write-ahead log; 0 on PostgreSQL.", registry=self._log)
        self._unsealed = Gauge(
            "hookfold_unsealed_events", "Events behind the newest signed checkpoint.", registry=self._log
        )
        self._last = Gauge(
            "hookfold_source_last_event_timestamp_seconds",
            "When the last event of a source was received; a source that never sent any has none.",
            ["source"],
            registry=self._log,
        )

    def watch(self, app: Flask) -> None:
        """Counts every request of the application, and serves `/metrics`."""
        app.before_request(self._start)
        app.after_request(self._count)
        app.add_url_rule("/metrics", "metrics", self._tell)

    @staticmethod
    def _start() -> None:
        carried = carried_of(request.environ)
        g.started = carried.began if carried else perf_counter()

    def _count(self, response: Response) -> Response:
        if g.get("put_off"):
            return response
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        self._requests.labels(method, route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(perf_counter() - g.started)
        return response

    def _tell(self) -> Response:
        try:
            self._look()
        except Unavailable:
            for gauge in (self._head, self._wal, self._unsealed):
                gauge.set(float("nan"))
            self._last.clear()
        told = generate_latest(self._api.registry) + generate_latest(self._log)
        return Response(told, content_type=CONTENT_TYPE_LATEST)

    def _look(self) -> None:
        """A statement for each source and three more: none of them reads more than one row of an index."""
        reads, notary = self._api.reads, self._api.notary
        head = reads.head()
        self._head.set(head)
        self._wal.set(reads.wal_bytes())
        newest = notary.newest() if notary is not None else None
        self._unsealed.set(head - newest.size if newest is not None else head)
        for source in self._api.sources:
            if (last := reads.last_of(source, head)) is not None:
                self._last.labels(source).set(last[1] / SECOND)
