"""Counts requests by route, never by path: paths contain ids or arbitrary text."""

from threading import Lock
from time import perf_counter

from flask import Flask, Response, g, request
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, disable_created_metrics, generate_latest

from adapters.http.framework.api import Api
from adapters.http.framework.waiting import carried_of
from adapters.http.views.gauges import Gauges
from adapters.sql import Unavailable

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The metrics in the Api's registry. Those from the database are read at each scrape.

    Samples `_created` are omitted, because a sum over processes has no creation time.
    """

    def __init__(self, api: Api) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # prometheus-client tells no types there
        self._api = api
        self._requests = Counter(
            "hookfold_http_requests", "Requests answered.", ["method", "route", "status"], registry=api.registry
        )
        self._seconds = Histogram("hookfold_http_request_seconds", "Time to answer.", ["route"], registry=api.registry)
        api.registry.register(api.waiting.taken)
        self._gauges = Gauges(api)
        self._telling = Lock()

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
        """Serves one scrape at a time, since all use the same gauges."""
        with self._telling:
            try:
                self._gauges.look()
            except Unavailable:
                self._gauges.forget()
            self._gauges.look_at_spools()
            told = generate_latest(self._api.registry) + generate_latest(self._gauges.registry)
        return Response(told, content_type=CONTENT_TYPE_LATEST)
