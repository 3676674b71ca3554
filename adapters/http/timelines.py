"""The trace of a stream for people: what each event did, in canonical order."""

from collections.abc import Callable

from adapters.http import shapes
from adapters.http.api import Api
from adapters.http.folded import anomalies_of
from adapters.http.times import text_of, utc
from adapters.sql import Measured, Projected
from core.event import Event
from core.fold import MACHINES, Kind, Step, trace


def timeline(
    api: Api, row: Projected | Measured, belongs: Callable[[Step], bool] = lambda _: True
) -> list[shapes.Step]:
    """The steps of a stream that belong; none where the configuration no longer says how its source is read."""
    configured = api.sources.get(row.source)
    if configured is None:
        return []
    machine = MACHINES[row.machine]
    events = {event.position: event for event in api.reads.history(row.source, row.stream, configured.read)}
    steps = trace(machine, events.values(), configured.settings)
    return [_shape(machine, events[step.position], step) for step in steps if belongs(step)]


def _shape(machine: Kind, event: Event, step: Step) -> shapes.Step:
    region = next((table.name for table in machine.tables if event.type in table.triggers), None)
    main = machine.tables[0].name
    return shapes.Step(
        position=event.position,
        type=event.type,
        sequence=event.sequence,
        occurred_at=text_of(event.occurred_at),
        received_at=utc(event.received_at),
        run=step.run,
        measurement_id=step.measurement_id,
        region=region,
        from_=_state(step.before, region or main),
        to=_state(step.after, region or main),
        rule=step.rule,
        reason=step.reason,
        anomalies=anomalies_of(step.anomalies),
        data=event.data,
    )


def _state(regions: dict[str, str], region: str) -> str:
    """A machine without regions has one state, under no name of its own."""
    return regions[region] if region in regions else regions["state"]
