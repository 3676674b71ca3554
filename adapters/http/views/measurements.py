"""`/v1/measurements`: each face scan of a wms session, with its own steps, chunks and outcome."""

from dataclasses import replace
from typing import Any

from flask import Response

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.problems import NotFound
from adapters.http.framework.routes import Ask, Listing, Routes, page_of
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import clocks_of, known
from adapters.http.presenters.compare import compared, facts_of_record
from adapters.http.presenters.stream_resource import anomalies_of, ids_of, machine_of, our_id, record_of, sources_of
from adapters.http.presenters.timelines import FORMS, answer, lines_of_measurement, title_of_measurement, whole_timeline
from adapters.http.presenters.why import why_measurement
from adapters.sql import Measured, WantedMeasurements
from core.clocks import Clocks
from core.instants import text_of
from core.states.records import Chunk
from core.views.completeness import missing_numbers

routes = Routes()

_PAGES = 20
"""The most pages of sessions that are searched for a measurement while this release has folded nothing."""


@routes.many(Scope.READ, "/v1/measurements", queries.Measurements, shapes.Measurement)
def measurements(ask: Ask[queries.Measurements]) -> Listing[shapes.Measurement]:
    """Measurements, the newest first; for an earlier time, those of the newest session first."""
    asked, clocks = _wanted(ask), clocks_of(ask)
    following: Any
    if clocks is None:
        found, floor = ask.api.reads.page_of_measurements(replace(asked, fingerprints=ask.api.current.versions))
        rows, following = page_of(found, ask.query.limit, lambda row: [row.opened, row.measurement])
        if following is None and floor is not None:
            following = [floor, ""]
    else:
        rows, following = ask.api.as_of.measurements(replace(asked, limit=ask.query.limit), clocks)
    return Listing([shape(ask.api, row) for row in rows], following)


@routes.one(Scope.READ, "/v1/measurements/{id}", queries.Timed, shapes.Measurement)
def measurement(ask: Ask[queries.Timed]) -> shapes.Measurement:
    """One measurement."""
    return shape(ask.api, one_measurement(ask))


@routes.many(Scope.READ, "/v1/measurements/{id}/timeline", queries.Timeline, shapes.Step, also=FORMS)
def measurement_timeline(ask: Ask[queries.Timeline]) -> Listing[shapes.Step] | Response:
    """What each event of a measurement did, in canonical order."""
    row = one_measurement(ask)
    steps = lines_of_measurement(ask, row)
    return answer(ask, title_of_measurement(row, steps), steps, lambda: why_measurement(ask, row).sentence)


@routes.one(Scope.READ, "/v1/measurements/{id}/why", queries.One, shapes.Why)
def measurement_why(ask: Ask[queries.One]) -> shapes.Why:
    """Why a measurement is in its state: the chain of events, what did not move it, what it waits for."""
    row = one_measurement(ask)
    return why_measurement(ask, row)


@routes.one(Scope.READ, "/v1/measurements/{id}/compare", queries.Compare, shapes.Compared)
def measurement_compare(ask: Ask[queries.Compare]) -> shapes.Compared:
    """What we learnt about a measurement between two times, and from which events of its session."""
    present = present_measurement(ask.api, our_id("measurement", ask.path["id"]))

    def at(clocks: Clocks) -> tuple[Measured, shapes.Measurement] | None:
        row = _earlier(ask.api, present, clocks)
        return None if row is None else (row, shape(ask.api, row))

    def facts(state: Any) -> dict[str, Any]:
        own = {record.measurement_id or record.position: record for record in state.records()}
        return facts_of_record(own.get(present.measurement_id, own.get(present.opened)))

    return compared(ask, "measurement", at, facts)


def shape(api: Api, row: Measured) -> shapes.Measurement:
    """A measurement as returned by the API."""
    record = record_of(row)
    missing = missing_numbers(record)
    return shapes.Measurement(
        id=row.measurement,
        source=row.source,
        provider=api.provider_of(row.source),
        measurement_id=record.measurement_id,
        session=row.stream,
        session_id=row.provider_id,
        run=record.run,
        state=record.state,
        outcome=record.outcome,
        steps={name: text_of(at) for name, at in record.steps.items()},
        snr=[_chunk(chunk) for chunk in record.snr],
        snr_count=record.chunks,
        anomalies=anomalies_of(record.anomalies),
        anomaly_counts=dict(sorted(record.counts.items())),
        complete=record.complete,
        missing=[shapes.SequenceGap(*gap) for gap in missing.gaps],
        missing_older=missing.older,
        position=record.position,
        started_at=text_of(record.started_at),
        ended_at=text_of(record.ended_at),
        erased=row.erased,
        machine=machine_of(row),
    )


def _chunk(chunk: Chunk) -> shapes.Snr:
    return shapes.Snr(chunk.sequence, chunk.snr, text_of(chunk.at), chunk.position)


def _wanted(ask: Ask[queries.Measurements]) -> WantedMeasurements:
    query, source = ask.query, ask.query.source or None
    streams = ids_of(ask.api, "session", source, query.session_id or None)
    sources = sources_of(ask.api, source, query.provider or None)
    return WantedMeasurements(
        fingerprints=(),
        limit=query.limit + 1,
        before=tuple(ask.after) if ask.after else None,
        sources=ask.api.source_names() if sources is None and streams is not None else sources,
        streams=streams,
        measurement_id=query.measurement_id or None,
        state=query.state or None,
        outcome=query.outcome or None,
        anomaly=query.anomaly.mask() if query.anomaly else None,
    )


def one_measurement(ask: Ask[Any]) -> Measured:
    """The measurement with the path's id, at present or in the past. Raises NotFound, Gone."""
    clocks, api = clocks_of(ask), ask.api
    present = present_measurement(api, our_id("measurement", ask.path["id"]))
    return present if clocks is None else known("measurement", lambda: _earlier(api, present, clocks))


def present_measurement(api: Api, name: str) -> Measured:
    """The measurement at present. Searches the newest sessions if this code has folded nothing yet."""
    if not api.current.is_built():
        return _unbuilt(api, name)
    versions, sources = api.current.versions, api.source_names()
    asked = WantedMeasurements(fingerprints=versions, limit=1, sources=sources, measurements=[name])
    for row in api.reads.measurements(asked):
        return row
    raise NotFound("no such measurement")


def _unbuilt(api: Api, name: str) -> Measured:
    asked = WantedMeasurements(fingerprints=(), limit=1, measurements=[name])
    clocks = api.as_of.clocks()
    following: Any = None
    for _ in range(_PAGES):
        found, following = api.as_of.measurements(replace(asked, before=following), clocks)
        if found:
            return found[0]
        if following is None:
            break
    raise NotFound(
        "no such measurement, as far as this release has folded the log: hookfold replay run folds all of it"
    )


def _earlier(api: Api, present: Measured, clocks: Clocks) -> Measured | None:
    """The measurement in the past. Before it had the provider's id it had another id of ours, so its events identify
    it.
    """
    nameless: list[Measured] = []
    for row in api.as_of.measured(present.stream, clocks):
        if row.measurement == present.measurement:
            return row
        nameless += [row] if row.measurement_id is None else []
    shared = _subjects(api, present, clocks) if nameless else set()
    return next((row._replace(measurement=present.measurement) for row in nameless if row.opened in shared), None)


def _subjects(api: Api, present: Measured, clocks: Clocks) -> set[int | None]:
    """The first positions of the past measurements that had the events of a present one."""
    now, then = (whole_timeline(api, present, each).entries for each in (api.as_of.clocks(), clocks))
    own = {entry.position for entry in now if entry.measurement == present.opened}
    return {entry.measurement for entry in then if entry.position in own}
