"""Spans of what is done with a delivery: `POST /in/{source}`, `commit`, `forward`. Nothing that a sender wrote is told.

What a sender traces is another one's trace, which our spans are linked to: its `traceparent` goes on to a handler as it
came. So whoever may reach us decides neither what is sampled here, nor which trace it belongs to.
"""

import logging
from collections.abc import Sequence
from importlib.metadata import version
from threading import Thread
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from adapters.providers import Outcome
from adapters.sql import Receipt
from core.event import Headers

NAME = "hookfold"
PATIENCE = 3.0
"""Seconds at the end for what is still to be sent: a collector may be away."""

_ROUTE = "POST /in/{source}"
_NOWHERE = Context()
_TRACE = 16
"""Bytes of the id of a trace; those of its span follow."""
_sent_with = TraceContextTextMapPropagator().extract


class OpenTelemetrySpans:
    """Of one process; any thread may ask."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer(NAME, version("hookfold"))

    def delivery(self, source: str, headers: Headers) -> "DeliverySpan":
        """Begins that of a request."""
        links = _links(headers)
        told = {"hookfold.source": source, "http.request.method": "POST", "http.route": "/in/{source}"}
        span = self._tracer.start_span(_ROUTE, _NOWHERE, SpanKind.SERVER, told, links)
        return DeliverySpan(self, span, source, links)

    def relayed(self, source: str, position: int, headers: Headers) -> "ForwardSpan":
        """Begins that of an attempt to deliver behind our answer, which is a trace of its own."""
        return self.forward(_NOWHERE, _links(headers), {"hookfold.source": source, "hookfold.position": position})

    def forward(self, parent: Context, links: Sequence[Link], told: dict[str, Any]) -> "ForwardSpan":
        """Begins that of an attempt to have a delivery answered by its handler."""
        return ForwardSpan(self._tracer.start_span("forward", parent, SpanKind.CLIENT, told, links))

    def committed(self, begun: int, batch: Sequence[tuple[bytes, object]]) -> None:
        """Those of a batch that began then, in nanoseconds, and is over: the context and the outcome of each."""
        for context, outcome in batch:
            if context:
                told = {"hookfold.batch": len(batch)}
                span = self._tracer.start_span("commit", _parent(context), attributes=told, start_time=begun)
                _tell(span, outcome)
                span.end()

    def close(self) -> None:
        """Sends what there is, as far as the collector takes it in time."""
        closing = Thread(target=self._provider.shutdown, daemon=True)
        closing.start()
        closing.join(PATIENCE)


class DeliverySpan:
    """The span of a request, until it is answered."""

    __slots__ = ("_links", "_source", "_span", "_spans", "context")

    def __init__(self, spans: OpenTelemetrySpans, span: Span, source: str, links: Sequence[Link]) -> None:
        self._spans = spans
        self._span = span
        self._source = source
        self._links = links
        self.context = _packed(span.get_span_context())
        """For the process that writes; empty where it is not sampled."""

    def forward(self) -> "ForwardSpan":
        """Begins that of its way to the handler and back."""
        return self._spans.forward(
            set_span_in_context(self._span, _NOWHERE), self._links, {"hookfold.source": self._source}
        )

    def answered(self, status: int) -> None:
        """Its answer began."""
        self._span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self._span.set_status(StatusCode.ERROR)

    def end(self) -> None:
        """Its answer is whole."""
        self._span.end()


class ForwardSpan:
    """The span of an attempt to have a handler answer."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def end(self, outcome: Outcome) -> None:
        """What came of it."""
        if outcome.status is not None:
            self._span.set_attribute("http.response.status_code", outcome.status)
        if not outcome.succeeded:
            self._span.set_status(StatusCode.ERROR)
            self._span.set_attribute("error.type", outcome.failure or str(outcome.status))
        self._span.end()


def exporting(process: str) -> OpenTelemetrySpans:
    """Spans that go to a collector, as the environment names and samples them. It has a thread of its own.

    A collector that is away is told of when a batch is given up, not at each attempt to send it.
    """
    logging.getLogger("opentelemetry.exporter").setLevel(logging.ERROR)
    own = Resource({"service.name": NAME, "service.version": version("hookfold"), "hookfold.process": process})
    provider = TracerProvider(resource=own.merge(OTELResourceDetector().detect()), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return OpenTelemetrySpans(provider)


def _links(headers: Headers) -> list[Link]:
    """To the span that the sender made the request in, where it tells of one."""
    told = [value for name, value in headers if name == "traceparent"]
    if len(told) != 1:
        return []
    context = get_current_span(_sent_with({"traceparent": told[0]}, _NOWHERE)).get_span_context()
    return [Link(context)] if context.is_valid else []


def _packed(context: SpanContext) -> bytes:
    if not context.trace_flags.sampled:
        return b""
    return context.trace_id.to_bytes(_TRACE) + context.span_id.to_bytes(8)


def _parent(packed: bytes) -> Context:
    trace, span = int.from_bytes(packed[:_TRACE]), int.from_bytes(packed[_TRACE:])
    sampled = TraceFlags(TraceFlags.SAMPLED)
    return set_span_in_context(
        NonRecordingSpan(SpanContext(trace, span, is_remote=True, trace_flags=sampled)), _NOWHERE
    )


def _tell(span: Span, outcome: object) -> None:
    if isinstance(outcome, Receipt):
        span.set_attribute("hookfold.verdict", outcome.verdict)
        span.set_attribute("hookfold.position", outcome.position)
    else:
        span.set_status(StatusCode.ERROR)
