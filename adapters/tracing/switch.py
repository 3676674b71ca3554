"""Whether deliveries are traced: as the `OTEL_` variables of the environment say, where the extra is installed."""

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.tracing.spans import OpenTelemetrySpans

EXTRA = "hookfold[tracing]"
"""What is to be installed."""

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_SPANS = "adapters.tracing.spans"


def is_wanted(env: Mapping[str, str]) -> bool:
    """Whether a collector is named, and tracing not switched off."""
    is_off = env.get("OTEL_SDK_DISABLED", "").lower() == "true" or env.get("OTEL_TRACES_EXPORTER", "otlp") != "otlp"
    return not is_off and any(env.get(name) for name in _ENDPOINTS)


def load(env: Mapping[str, str]) -> bool:
    """Imports what is needed, before processes are forked; false where it is wanted and not installed."""
    if not is_wanted(env):
        return True
    try:
        import_module(_SPANS)
    except ImportError:
        return False
    return True


def started(process: str, env: Mapping[str, str]) -> "OpenTelemetrySpans | None":
    """What makes the spans of this process and sends them, from now on; None where nothing is traced."""
    if not is_wanted(env) or not load(env):
        return None
    from adapters.tracing.spans import exporting

    return exporting(process)
