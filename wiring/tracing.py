"""The wiring of tracing."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from adapters.server import Spans
from adapters.tracing import EXTRA, load, started


def prepare_tracing() -> None:
    """Imports OpenTelemetry before the fork if tracing is configured. Warns if it is not installed."""
    if not load(os.environ):
        mend = f"pip install '{EXTRA}', or unset OTEL_EXPORTER_OTLP_ENDPOINT"
        structlog.get_logger().warning("not_traced", reason="OpenTelemetry is not installed", mend=mend)


@contextmanager
def tracing(process: str) -> Iterator[Spans | None]:
    """The spans of this process, for a block; None without tracing."""
    spans = started(process, os.environ)
    try:
        yield spans
    finally:
        if spans is not None:
            spans.close()
