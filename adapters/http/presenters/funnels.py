"""The funnel of visits: how many reached each step, and what ended those that went no further; and who they are."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.http.framework import queries
from adapters.http.framework.routes import Ask
from adapters.http.framework.scalars import Ending
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of
from adapters.http.presenters.stream_resource import rows_of
from adapters.sql import VISIT_STEPS, Projected, Visit, WantedStreams

_STEPS = tuple(VISIT_STEPS)
TYPES = tuple(VISIT_STEPS.values())
_RESULTS = _STEPS.index("results")


def funnel(source: str, visits: Sequence[Visit]) -> shapes.Funnel:
    """The steps of a source's visits. A visit that reached a step counts for all earlier ones."""
    ended = Counter((_furthest(visit), visit.ended_by) for visit in visits)
    return shapes.Funnel(
        source=source,
        visits=len(visits),
        steps=[_step(at, name, ended) for at, name in enumerate(_STEPS)],
    )


def sessions_of_visits(ask: Ask[queries.Sessions], asked: WantedStreams) -> tuple[Sequence[Projected], int | None]:
    """The sessions of visits with the wanted end and last step; and the `opened` before which the next page begins.

    A page looks through as many events as a funnel does, so it may hold few of them, even none.
    """
    sources = [
        name
        for name, source in ask.api.sources.items()
        if source.provider == "wms" and (asked.sources is None or name in asked.sources)
    ]
    with ask.api.reads.together():
        found, floor = _visits(ask, sources, asked.before)
    names = [visit.stream for visit in found if _is_wanted(ask.query, visit)]
    names = [name for name in names if asked.streams is None or name in asked.streams]
    rows, following = rows_of(ask, replace(asked, sources=sources, streams=names)) if names else ([], None)
    return rows, floor if following is None else following


def _visits(ask: Ask[Any], sources: Sequence[str], before: int | None) -> tuple[list[Visit], int | None]:
    """Those that every source was looked through for."""
    clocks = clocks_of(ask)
    pages = [ask.api.reads.page_of_visits(name, TYPES, len(sources), before, clocks) for name in sources]
    floor = max((page.floor for page in pages if page.floor is not None), default=None)
    return [visit for page in pages for visit in page.visits if floor is None or visit.opened >= floor], floor


def _is_wanted(query: queries.Sessions, visit: Visit) -> bool:
    ended, step = query.ended_by or None, query.last_step or None
    return ended in {None, visit.ended_by or Ending.NOTHING} and step in {None, _STEPS[_furthest(visit)]}


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
    return shapes.FunnelStep(step=name, reached=reached, dropped=[] if at == len(_STEPS) - 1 else dropped)


def _often(one: tuple[str | None, int]) -> tuple[int, str]:
    """The most frequent first."""
    why, count = one
    return -count, why or ""
