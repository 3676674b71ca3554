"""The funnel of visits: how many reached each step, and what ended those that went no further."""

from collections import Counter
from collections.abc import Sequence

from adapters.http.presenters import shapes
from adapters.sql import Visit

STEPS = {
    "loaded": "WMS_LOADED",
    "camera": "CAMERA_STARTED",
    "started": "MEASUREMENT_STARTED",
    "scanned": "SCAN_COMPLETED",
    "results": "RESULTS_RECEIVED",
    "redirected": "REDIRECTING_TO_CALLBACK",
}
"""The event type of each step. A visit that reached a step counts for all earlier ones."""

TYPES = tuple(STEPS.values())
_RESULTS = list(STEPS).index("results")


def funnel(source: str, visits: Sequence[Visit]) -> shapes.Funnel:
    """The steps of a source's visits."""
    ended = Counter((_furthest(visit), visit.ended_by) for visit in visits)
    return shapes.Funnel(
        source=source,
        visits=len(visits),
        steps=[_step(at, name, ended) for at, name in enumerate(STEPS)],
    )


def _furthest(visit: Visit) -> int:
    """The last step that a visit reached. A page may redirect after a failure too, so that is a step only after
    results.
    """
    seen = visit.steps if visit.steps[_RESULTS] else visit.steps[:_RESULTS]
    return max((at for at, there in enumerate(seen) if there), default=0)


def _step(at: int, name: str, ended: Counter[tuple[int, str | None]]) -> shapes.FunnelStep:
    here = [(why, count) for (furthest, why), count in ended.items() if furthest == at]
    dropped = [shapes.Dropped(ended_by=why, count=count) for why, count in sorted(here, key=_often)]
    reached = sum(count for (furthest, _), count in ended.items() if furthest >= at)
    return shapes.FunnelStep(step=name, reached=reached, dropped=[] if at == len(STEPS) - 1 else dropped)


def _often(one: tuple[str | None, int]) -> tuple[int, str]:
    """The most frequent first."""
    why, count = one
    return -count, why or ""
