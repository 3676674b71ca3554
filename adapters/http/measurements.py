"""`/v1/measurements`: each face scan of a wms session, with its own steps, chunks and outcome."""

from typing import Any

from adapters.http import queries, shapes
from adapters.http.api import Api
from adapters.http.folded import FINGERPRINTS, anomalies_of, ids_of, our_id, sources_of, state_of
from adapters.http.problems import NotFound
from adapters.http.routes import Ask, Listing, Routes, listing_of, page_of
from adapters.http.timelines import timeline
from adapters.http.times import text_of
from adapters.sql import Measured, WantedMeasurements

routes = Routes()


@routes.many("/v1/measurements", queries.Measurements, shapes.Measurement)
def measurements(ask: Ask[queries.Measurements]) -> Listing[shapes.Measurement]:
    """Measurements, the newest first."""
    found = ask.api.reads.measurements(_wanted(ask))
    rows, following = page_of(found, ask.query.limit, lambda row: [row.opened, row.measurement])
    return Listing([shape(ask.api, row) for row in rows], following)


@routes.one("/v1/measurements/{id}", queries.Query, shapes.Measurement)
def measurement(ask: Ask[queries.Query]) -> shapes.Measurement:
    """One measurement."""
    return shape(ask.api, _one(ask.api, ask.path["id"]))


@routes.many("/v1/measurements/{id}/timeline", queries.Listed, shapes.Step)
def measurement_timeline(ask: Ask[queries.Listed]) -> Listing[shapes.Step]:
    """What each event of a measurement did, in canonical order."""
    row = _one(ask.api, ask.path["id"])
    first = _record(ask.api, row).position
    steps = timeline(ask.api, row, lambda step: step.measurement == first)
    return listing_of(steps, ask.query.limit, ask.after, lambda step: step.position)


def shape(api: Api, row: Measured) -> shapes.Measurement:
    """A measurement as it is told."""
    record = _record(api, row)
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
        snr=[shapes.Snr(chunk.sequence, chunk.snr, text_of(chunk.at), chunk.position) for chunk in record.snr],
        anomalies=anomalies_of(record.anomalies),
        complete=record.complete,
        position=record.position,
        started_at=text_of(record.started_at),
        ended_at=text_of(record.ended_at),
        machine=shapes.Machine(row.machine, row.fingerprint),
    )


def _wanted(ask: Ask[queries.Measurements]) -> WantedMeasurements:
    query, source = ask.query, ask.query.source or None
    streams = ids_of(ask.api, "session", source, query.session_id or None)
    sources = sources_of(ask.api, source, query.provider or None)
    return WantedMeasurements(
        fingerprints=FINGERPRINTS,
        limit=query.limit + 1,
        before=tuple(ask.after) if ask.after else None,
        sources=ask.api.source_names() if sources is None and streams is not None else sources,
        streams=streams,
        measurement_id=query.measurement_id or None,
        state=query.state or None,
        outcome=query.outcome or None,
        anomaly=query.anomaly.mask() if query.anomaly else None,
    )


def _one(api: Api, text: str) -> Measured:
    names = [our_id("measurement", text)]
    asked = WantedMeasurements(fingerprints=FINGERPRINTS, limit=1, sources=api.source_names(), measurements=names)
    for row in api.reads.measurements(asked):
        return row
    raise NotFound("no such measurement")


def _record(api: Api, row: Measured) -> Any:
    """The measurement's record in the session's state; one that never got an id has its first event's key."""
    for record in state_of(row).measurements:
        names = (record.measurement_id,) if record.measurement_id is not None else ("", record.key)
        if api.ids.of("measurement", row.source, row.provider_id or "", *names) == row.measurement:
            return record
    raise NotFound("no such measurement")
