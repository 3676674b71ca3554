"""`/v1/audit/completeness`: what is lost (missing, never ended, overdue, contradictory), what is irregular, and silent
sources.
"""

from collections import Counter
from functools import partial
from typing import Any

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of, given
from adapters.http.presenters.sources import health_of
from adapters.http.presenters.stream_resource import ids_of, record_of, rows_of, settings_of, sources_of, state_of
from adapters.sql import Projected, WantedMeasurements, WantedStreams
from core.clocks import Clocks
from core.event import SECOND
from core.instants import text_of
from core.states.records import Measurement
from core.views.completeness import Finding, findings

routes = Routes()

EXAMINED = 100
"""The most streams that a page examines, however few have findings."""

_KINDS = ("session", "action")
_NAMES = {"session": "session_id", "action": "action_id"}


@routes.many(Scope.READ, "/v1/audit/completeness", queries.Completeness, shapes.Incomplete, page=shapes.Completeness)
def completeness(ask: Ask[queries.Completeness]) -> Listing[shapes.Incomplete]:
    """Sessions and actions with findings, the newest first, and when each source last sent something."""
    clocks = clocks_of(ask) or ask.api.as_of.clocks()
    kind, before = ask.after or (_KINDS[0], None)
    rows, left = rows_of(ask, _wanted(ask, kind, before))
    if ask.query.session_id and not (rows or left or ask.after):
        raise NotFound("no such session: session_id is the provider's id of it")
    found: list[shapes.Incomplete] = []
    examined: Counter[str] = Counter()
    for row in rows:
        state = state_of(row)
        examined.update({kind: 1, "measurement": getattr(state, "begun", 0)})
        found += _incomplete(ask, row, state, clocks)
        if len(found) == ask.query.limit:
            left = row.opened
            break
    page = partial(shapes.Completeness, _sources(ask, clocks), dict(examined))
    return Listing(found, _following(ask, kind, left), page)


def _following(ask: Ask[queries.Completeness], kind: str, left: int | None) -> Any:
    if left is not None:
        return [kind, left]
    after = _KINDS[_KINDS.index(kind) + 1 :]
    return [after[0], None] if after and not ask.query.session_id else None


def _wanted(ask: Ask[queries.Completeness], kind: str, before: int | None) -> WantedStreams:
    source, api = ask.query.source or None, ask.api
    streams = ids_of(api, kind, source, ask.query.session_id or None)
    sources = sources_of(api, source, ask.query.provider or None)
    named = api.source_names() if sources is None and streams is not None else sources
    limit = EXAMINED + 1
    return WantedStreams(kind=kind, fingerprints=(), limit=limit, before=before, sources=named, streams=streams)


def _incomplete(ask: Ask[queries.Completeness], row: Projected, state: Any, clocks: Clocks) -> list[shapes.Incomplete]:
    api = ask.api
    conflicts = [int(position) for position in row.conflicts.split(",") if position]
    find = partial(findings, row.machine, state, ask.now, settings_of(api, row.source), conflicts)
    lost = sum(one.times for one in find() if one.lost)
    if given(ask.query.lost) not in {None, lost > 0}:
        return []
    found = find(api.as_of.doubled(row, clocks))
    if not found:
        return []
    measured = _measured(api, row, state, {one.measurement for one in found if one.measurement is not None})
    names: dict[str, Any] = {_NAMES[row.kind]: row.provider_id}
    return [
        shapes.Incomplete(
            kind=row.kind,
            id=row.stream,
            source=row.source,
            provider=api.provider_of(row.source),
            state=state.state,
            lost=lost,
            irregular=sum(one.times for one in found) - lost,
            findings=[_shape(measured, one) for one in found],
            **names,
        )
    ]


def _measured(api: Api, row: Projected, state: Any, begun: set[int]) -> dict[int, tuple[str, Measurement]]:
    """Our ids and the measurements of a session, by the positions of their first events, as far as they have findings.

    Ids of an erased session are only in the rows of its measurements.
    """
    records: dict[int, Measurement] = {record.position: record for record in state.records()} if begun else {}
    session = row.provider_id if row.erased is None else None
    measured = {
        at: (api.ids.measurement(row.source, session, record.measurement_id, record.key), record)
        for at, record in records.items()
        if session is not None and at in begun
    }
    if left := sorted(begun - measured.keys()):
        wanted = WantedMeasurements(
            fingerprints=[row.fingerprint], limit=len(left), sources=[row.source], streams=[row.stream], begun=left
        )
        for one in api.reads.measurements(wanted):
            measured[one.opened] = one.measurement, records.get(one.opened) or record_of(one)
    return measured


def _shape(measured: dict[int, tuple[str, Measurement]], found: Finding) -> shapes.Finding:
    ours, record = measured.get(found.measurement, (None, None)) if found.measurement is not None else (None, None)
    return shapes.Finding(
        what=found.what,
        lost=found.lost,
        detail=found.detail,
        position=found.position,
        since=text_of(found.since),
        measurement=ours,
        measurement_id=record.measurement_id if record is not None else None,
        gap=None if found.gap is None else shapes.SequenceGap(*found.gap),
    )


def _sources(ask: Ask[queries.Completeness], clocks: Clocks) -> list[shapes.SourceHealth]:
    api, asked = ask.api, ask.query.source or None
    named = sources_of(api, asked, ask.query.provider or None)
    after = (given(ask.query.silent_after) or 0) * SECOND or None
    names = api.source_names() if named is None else named
    return [health_of(api, name, clocks.position, ask.now, after) for name in names]
