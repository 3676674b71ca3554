"""Writes histories down shortly: `wms("WMS_LOADED 0", "INTERMEDIATE_RESULTS 7 @12 measurement_id=m1 snr=3.5")`."""

from typing import Any

from core.views.golden_history import START, stream

__all__ = ["START", "kinds", "stream", "wms"]

wms = stream


def kinds(state: Any) -> list[tuple[str, int]]:
    """The anomalies of a state without their words."""
    return [(anomaly.kind, anomaly.position) for anomaly in state.anomalies]
