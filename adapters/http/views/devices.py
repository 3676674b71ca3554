"""`/v1/devices`: devices and their actions."""

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.stream_resource import common, listed, one, state_of, wanted
from adapters.http.views import actions
from adapters.sql import Projected
from core.event import Instant

routes = Routes()


@routes.many(Scope.READ, "/v1/devices", queries.Devices, shapes.Device)
def devices(ask: Ask[queries.Devices]) -> Listing[shapes.Device]:
    """Devices, the newest first, including those that only an action mentioned."""
    return listed(ask, wanted(ask, "device", name=ask.query.device_id or None), shape)


@routes.one(Scope.READ, "/v1/devices/{id}", queries.One, shapes.Device)
def device(ask: Ask[queries.One]) -> shapes.Device:
    """One device."""
    return shape(ask.api, one(ask, "device"), ask.now)


@routes.many(Scope.READ, "/v1/devices/{id}/actions", queries.Folded, shapes.Action)
def device_actions(ask: Ask[queries.Folded]) -> Listing[shapes.Action]:
    """A device's actions, the newest first."""
    row = one(ask, "device")
    return listed(ask, wanted(ask, "action", devices=[row.stream]), actions.shape)


def shape(api: Api, row: Projected, now: Instant) -> shapes.Device:
    """A device as returned by the API."""
    state = state_of(row)
    return shapes.Device(
        **common(api, row, state, now),
        device_id=row.provider_id,
        device_type=state.data.get("device_type"),
        reconnection_url=state.data.get("reconnection_url"),
    )
