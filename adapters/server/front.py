"""Dispatches requests: deliveries and `/healthz` to the event loop, everything else to Flask in threads."""

from functools import partial
from urllib.parse import unquote

import structlog

from adapters.http import ALIVE, Answer, Door, is_ingest, unrecorded
from adapters.server.bridge import Bridge
from adapters.server.commits.link import Link, NoWriter
from adapters.server.commits.spans import Spans, TracedDelivery, context_of
from adapters.server.handlers.forwarding import Forwarding
from adapters.server.http11.connections import Respond
from adapters.server.http11.files import Sending
from adapters.server.http11.reader import Request
from adapters.server.http11.streaming_body import StreamingBody
from adapters.server.limits import Limits
from adapters.sql import Entry, Receipt, Rejection, Unavailable

_logger = structlog.get_logger()


class Front:
    """The dispatcher of one process. `link` leads to the writing process; `bridge` runs Flask.

    `forwarding` handles sources whose handlers answer, `limits` the rate limits, `spans` the tracing of deliveries.
    """

    def __init__(
        self,
        door: Door,
        link: Link | NoWriter,
        bridge: Bridge,
        forwarding: Forwarding | None = None,
        limits: Limits | None = None,
        spans: Spans | None = None,
    ) -> None:
        self._door = door
        self._link = link
        self._bridge = bridge
        self._forwarding = forwarding
        self._limits = limits or Limits(None, {})
        self._spans = spans

    def answer(self, request: Request, respond: Respond) -> None:
        """Answers a request, now or later, in the event loop."""
        refusal = self._limits.refusal_of_peer(request.peer, request.target, request.headers)
        if refusal is not None:
            respond(refusal)
        elif is_ingest(request.target):
            self._deliver(request, respond)
        elif request.target == "/healthz" and request.method in {"GET", "HEAD"}:
            respond(ALIVE)
        else:
            self._bridge.answer(request, respond)

    def streams(self, target: str) -> bool:
        """Whether the body of such a request is forwarded while it arrives."""
        return self._forwarding is not None and self._forwarding.passes(_path(target)) is not None

    def close(self) -> None:
        """Waits for Flask's current requests."""
        self._bridge.close()

    async def settle(self, patience: float) -> None:
        """Waits for handlers' current requests, even without a waiting client."""
        if self._forwarding is not None:
            await self._forwarding.close(patience)

    def _deliver(self, request: Request, respond: Respond) -> None:
        path = _path(request.target)
        if self._forwarding is not None and self._forwarding.pass_on(request, path, respond):
            return
        source = self._door.source_of(request.method, path)
        refusal = source if isinstance(source, Answer) else self._limits.refusal_of_source(source, request.target)
        if isinstance(source, Answer) or refusal is not None:
            respond(refusal)
        else:
            self._take(source, request, respond)

    def _take(self, source: str, request: Request, respond: Respond) -> None:
        """Takes a delivery. On any error its sender is told to retry."""
        span = None
        if self._spans is not None:
            span = self._spans.delivery(source, request.headers)
            respond = partial(_respond_traced, span, respond)
        try:
            item = self._item(source, request)
            if self._forwarding is not None and source in self._forwarding:
                self._forwarding.take(item, request, respond, span)
            else:
                self._link.commit(item, partial(self._told, item, respond), context_of(span))
        except Exception:
            _logger.exception("delivery_failed")
            respond(unrecorded())

    def _item(self, source: str, request: Request) -> Entry | Rejection:
        if isinstance(request.body, bytes):
            return self._door.receive(source, request.headers, request.body, request.target)
        size = request.body if isinstance(request.body, int) else request.body.held
        return self._door.refuse_size(source, request.headers, size)

    def _told(self, item: Entry | Rejection, respond: Respond, outcome: Receipt | Unavailable) -> None:
        respond(self._door.answer(item, outcome))


def _respond_traced(span: TracedDelivery, respond: Respond, answer: Answer | Sending | StreamingBody | None) -> None:
    respond(answer)
    if answer is not None:
        span.answered(answer.status)
    if not isinstance(answer, StreamingBody):
        span.end()


def _path(target: str) -> str:
    return unquote(target.partition("?")[0], "latin-1")
