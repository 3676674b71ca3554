"""Tracing with OpenTelemetry, an extra: nothing of it is imported where the environment does not ask for it."""

from adapters.tracing.switch import EXTRA, load, started
