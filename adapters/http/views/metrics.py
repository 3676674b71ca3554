"""Counts requests by route, never by path: ours hold ids, foreign ones hold anything."""

from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from adapters.http.framework.api import Api
from adapters.sql import Unavailable

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """What is counted, in the registry that the Api holds; by itself what no process counts: how long the log is."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._requests = Counter(
            "hookfold_http_requests", "Requests answered.", ["method", "route", "status"], registry=api.registry
        )
        self._seconds = Histogram("hookfold_http_request_seconds", "Time to answer.", ["route"], registry=api.registry)
        self._log = CollectorRegistry()
        self._head = Gauge("hookfold_log_position", "The log's last position.", registry=self._log)
        self._wal = Gauge("hookfold_wal_bytes", "SQLite's write-ahead log; 0 on PostgreSQL.", registry=self._log)

    def watch(self, app: Flask) -> None:
        """Counts every request of the application, and serves `/metrics`."""
        app.before_request(self._start)
        app.after_request(self._count)
        app.add_url_rule("/metrics", "metrics", self._tell)

    @staticmethod
    def _start() -> None:
        g.started = perf_counter()

    def _count(self, response: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else "none"
        method = request.method if request.method in _METHODS else "other"
        self._requests.labels(method, route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(perf_counter() - g.started)
        return response

    def _tell(self) -> Response:
        try:
            self._head.set(self._api.reads.head())
            self._wal.set(self._api.reads.wal_bytes())
        except Unavailable:
            self._head.set(float("nan"))
            self._wal.set(float("nan"))
        told = generate_latest(self._api.registry) + generate_latest(self._log)
        return Response(told, content_type=CONTENT_TYPE_LATEST)
