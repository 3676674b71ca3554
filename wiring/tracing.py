"""Tracing: what a service imports for it before it starts its processes, and what each of them traces with."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from adapters.server import Spans
from adapters.tracing import EXTRA, load, started


def prepare_tracing() -> None:
    """Imports it once for all processes, where it is asked for; a line tells where it is not installed."""
    if not load(os.environ):
        mend = f"pip install '{EXTRA}', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        structlog.get_logger().warning("not_traced", reason="OpenTelemetry is not installed", mend=mend)


@contextmanager
def tracing(process: str) -> Iterator[Spans | None]:
    """What traces deliveries in this process, for a block; None where nobody asks for it."""
    spans = started(process, os.environ)
    try:
        yield spans
    finally:
        if spans is not None:
            spans.close()
