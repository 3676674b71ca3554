"""Converts a projection's row to the fields that sessions, actions, devices and registrations share."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, page_of
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of, given, known
from adapters.http.presenters.due import due, told_deadline
from adapters.sql import Measured, Projected, WantedStreams, record_in
from core.event import Anomaly, Instant
from core.folding.fold import MACHINES, Settings, decode
from core.ids import PREFIXES
from core.instants import text_of
from core.states.records import Measurement
from core.states.state import NEWEST, Run
from core.views.derived import deadline, derived

T = TypeVar("T")

_CONFLICT = "the key came again with another body: the first one counts, the other is a kept delivery"


def our_id(kind: str, text: str) -> str:
    """An id of ours from a path. Raises NotFound if it has not the form of one."""
    if re.fullmatch(f"{PREFIXES[kind]}_[a-z2-7]{{26}}", text, re.ASCII) is None:
        raise NotFound(f"no such {kind}")
    return text


def ids_of(api: Api, kind: str, source: str | None, name: str | None) -> list[str] | None:
    """Our ids of a provider's id under each source; None if `name` is None."""
    if name is None:
        return None
    return [api.ids.of(kind, one, name) for one in ([source] if source else api.source_names())]


def sources_of(api: Api, source: str | None, provider: str | None) -> list[str] | None:
    """The sources that match the filters; None: all."""
    if provider is None:
        return [source] if source else None
    of_provider = [name for name, configured in api.sources.items() if configured.provider == provider]
    return [name for name in of_provider if source in {None, name}]


def wanted(ask: Ask[queries.Folded], kind: str, *, name: str | None = None, devices: Any = None) -> WantedStreams:
    """The database query of a list, with one row more than a page. `name` is the provider's id."""
    query, source = ask.query, ask.query.source or None
    streams = ids_of(ask.api, kind, source, name)
    sources = sources_of(ask.api, source, query.provider or None)
    return WantedStreams(
        kind=kind,
        fingerprints=(),
        limit=query.limit + 1,
        before=ask.after,
        sources=ask.api.source_names() if sources is None and streams is not None else sources,
        streams=streams,
        state=query.state or None,
        outcome=getattr(query, "outcome", None) or None,
        user_id=getattr(query, "user_id", None) or None,
        devices=devices,
        anomaly=query.anomaly.mask() if query.anomaly else None,
        since=given(query.since),
        until=given(query.until),
        changed_after=given(query.changed_after),
        due=due(ask, kind),
    )


def listed(ask: Ask[queries.Folded], asked: WantedStreams, shape: Callable[[Api, Projected, Instant], T]) -> Listing[T]:
    """A page of streams, at present or in the past."""
    rows, following = rows_of(ask, asked)
    return Listing([shape(ask.api, row, ask.now) for row in rows], following)


def rows_of(ask: Ask[Any], asked: WantedStreams) -> tuple[Sequence[Projected], int | None]:
    """At most one row less than `asked.limit`, and the `opened` before which the next page begins."""
    clocks, limit = clocks_of(ask), asked.limit - 1
    if clocks is not None:
        return ask.api.as_of.streams(replace(asked, limit=limit), clocks)
    found, floor = ask.api.reads.page(replace(asked, fingerprints=ask.api.current.versions))
    rows, following = page_of(found, limit, lambda row: row.opened)
    return rows, floor if following is None else following


def one(ask: Ask[Any], kind: str) -> Projected:
    """The projection with the path's id, at present or in the past. Raises NotFound, Gone."""
    api, name, clocks = ask.api, our_id(kind, ask.path["id"]), clocks_of(ask)
    if clocks is not None:
        return known(kind, lambda: api.as_of.stream(name, clocks))
    versions = api.current.versions
    asked = WantedStreams(kind=kind, fingerprints=versions, limit=1, sources=api.source_names(), streams=[name])
    for row in api.reads.streams(asked):
        return row
    raise NotFound(f"no such {kind}")


def settings_of(api: Api, source: str) -> Settings:
    """The fold's settings of a source; the defaults if it is no longer configured."""
    configured = api.sources.get(source)
    return configured.settings if configured else Settings()


def state_of(row: Projected | Measured) -> Any:
    """The fold's state."""
    return decode(MACHINES[row.machine], row.snapshot)


def record_of(row: Measured) -> Measurement:
    """The measurement's record, found by its first event, which is unique in the session."""
    if row.record is not None:
        return record_in(row.record)
    for record in state_of(row).records():
        if record.position == row.opened:
            return record  # type: ignore[no-any-return]  # each machine has a state of its own
    raise NotFound("no such measurement")


def common(api: Api, row: Projected, state: Any, now: Instant) -> dict[str, Any]:
    """The fields of shapes.Folded."""
    return {
        "id": row.stream,
        "source": row.source,
        "provider": api.provider_of(row.source),
        "state": state.state,
        "outcome": state.outcome,
        "anomalies": anomalies_of(state.anomalies, row.conflicts),
        "anomaly_counts": _counts(state.counts, row.conflicts),
        "unsigned": state.unsigned,
        "events": state.events,
        "position": state.position,
        "first_at": text_of(state.first_at),
        "last_at": text_of(state.last_at),
        "erased": row.erased,
        "derived": _derived(row, state, now, settings_of(api, row.source)),
        "machine": machine_of(row),
    }


def _derived(row: Projected, state: Any, now: Instant, settings: Settings) -> dict[str, Any]:
    due = told_deadline(deadline(row.machine, state, settings), now)
    return {**derived(row.machine, state, now, settings), "deadline": due}


def machine_of(row: Projected | Measured) -> shapes.Machine:
    """The machine that folded it. The version's name begins with the fingerprint, even if it was rebuilt."""
    return shapes.Machine(row.machine, row.fingerprint.partition("-")[0])


def runs_of(runs: Iterable[Run]) -> list[shapes.Run]:
    """Runs as returned by the API."""
    return [
        shapes.Run(
            run=run.run,
            started_at=text_of(run.started_at),
            ended_at=text_of(run.ended_at),
            ended_by=run.ended_by,
            reason=run.reason,
            duration_s=run.duration_s,
            restarted=run.restarted,
        )
        for run in runs
    ]


def anomalies_of(found: Sequence[Anomaly], conflicts: str = "") -> list[shapes.Anomaly]:
    """The newest anomalies by position, then kind. `conflicts`: positions of events with conflicts, separated by
    commas.
    """
    told = [shapes.Anomaly(one.kind, one.position, one.detail) for one in found]
    told += [shapes.Anomaly("conflict", int(position), _CONFLICT) for position in conflicts.split(",") if position]
    return sorted(told, key=lambda anomaly: (anomaly.position, anomaly.kind))[-NEWEST:]


def _counts(counts: Mapping[str, int], conflicts: str) -> dict[str, int]:
    """Counts by kind. Of conflicts, only the newest are known."""
    doubled = len(conflicts.split(",")) if conflicts else 0
    return dict(sorted((Counter(counts) + Counter(conflict=doubled)).items()))
