"""`/v1/measurements`: each face scan of a wms session, with its own steps, chunks and outcome."""

from dataclasses import replace
from typing import Any

from adapters.http import queries, shapes
from adapters.http.api import Api
from adapters.http.clocks import clocks_of, known
from adapters.http.folded import FINGERPRINTS, anomalies_of, ids_of, our_id, sources_of, state_of
from adapters.http.problems import NotFound
from adapters.http.routes import Ask, Listing, Routes, listing_of, page_of
from adapters.http.timelines import entries_in, history_of, position_of, timeline
from adapters.http.times import text_of
from adapters.sql import Measured, WantedMeasurements
from core.clocks import Clocks

routes = Routes()


@routes.many("/v1/measurements", queries.Measurements, shapes.Measurement)
def measurements(ask: Ask[queries.Measurements]) -> Listing[shapes.Measurement]:
    """Measurements, the newest first; as of an earlier time, those of the newest session first."""
    asked, clocks = _wanted(ask), clocks_of(ask)
    following: Any
    if clocks is None:
        found = ask.api.reads.measurements(asked)
        rows, following = page_of(found, ask.query.limit, lambda row: [row.opened, row.measurement])
    else:
        rows, following = ask.api.past.measurements(replace(asked, limit=ask.query.limit), clocks)
    return Listing([shape(ask.api, row) for row in rows], following)


@routes.one("/v1/measurements/{id}", queries.Timed, shapes.Measurement)
def measurement(ask: Ask[queries.Timed]) -> shapes.Measurement:
    """One measurement."""
    return shape(ask.api, one_measurement(ask))


@routes.many("/v1/measurements/{id}/timeline", queries.TimedListed, shapes.Step)
def measurement_timeline(ask: Ask[queries.TimedListed]) -> Listing[shapes.Step]:
    """What each event of a measurement did, in canonical order."""
    row = one_measurement(ask)
    steps = timeline(ask, row, lambda entry: entry.measurement == row.opened)
    return listing_of(steps, ask.query.limit, ask.after, position_of)


def shape(api: Api, row: Measured) -> shapes.Measurement:
    """A measurement as it is told."""
    record = _record(row)
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


def one_measurement(ask: Ask[Any]) -> Measured:
    """The measurement that the path's id of ours names, as it is or as it was. Raises NotFound, Gone."""
    present, clocks = _present(ask.api, ask.path["id"]), clocks_of(ask)
    return present if clocks is None else known("measurement", lambda: _earlier(ask.api, present, clocks))


def _present(api: Api, text: str) -> Measured:
    names = [our_id("measurement", text)]
    asked = WantedMeasurements(fingerprints=FINGERPRINTS, limit=1, sources=api.source_names(), measurements=names)
    for row in api.reads.measurements(asked):
        return row
    raise NotFound("no such measurement")


def _earlier(api: Api, present: Measured, clocks: Clocks) -> Measured | None:
    """The measurement as it was. One that had no id yet had another id of ours: what shares an event with it is it."""
    found = api.past.measured(present.stream, clocks)
    for row in found:
        if row.measurement == present.measurement:
            return row
    nameless = [row for row in found if row.measurement_id is None]
    shared = _subjects(api, present, clocks) if nameless else set()
    return next((row._replace(measurement=present.measurement) for row in nameless if row.opened in shared), None)


def _subjects(api: Api, present: Measured, clocks: Clocks) -> set[int | None]:
    """The measurements, by their first position, that the events of a present one belonged to."""
    now, then = (entries_in(api, present, history_of(api, present, each)) for each in (api.past.clocks(), clocks))
    own = {entry.position for entry in now if entry.measurement == present.opened}
    return {entry.measurement for entry in then if entry.position in own}


def _record(row: Measured) -> Any:
    """The measurement's record in the session's state: no two of them begin with the same event."""
    for record in state_of(row).measurements:
        if record.position == row.opened:
            return record
    raise NotFound("no such measurement")
