"""`/v1/registrations`: app servers registered with the glasses' cloud."""

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.stream_resource import common, listed, one, state_of, wanted
from adapters.sql import Projected
from core.event import Instant

routes = Routes()


@routes.many(Scope.READ, "/v1/registrations", queries.Registrations, shapes.Registration)
def registrations(ask: Ask[queries.Registrations]) -> Listing[shapes.Registration]:
    """Registrations, the newest first."""
    return listed(ask, wanted(ask, "registration", name=ask.query.registration_id or None), shape)


@routes.one(Scope.READ, "/v1/registrations/{id}", queries.One, shapes.Registration)
def registration(ask: Ask[queries.One]) -> shapes.Registration:
    """One registration."""
    return shape(ask.api, one(ask, "registration"), ask.now)


def shape(api: Api, row: Projected, now: Instant) -> shapes.Registration:
    """A registration as returned by the API."""
    state = state_of(row)
    return shapes.Registration(
        **common(api, row, state, now),
        registration_id=row.provider_id,
        package_name=state.data.get("package_name"),
        server_urls=state.data.get("server_urls"),
        session_id=state.data.get("session_id"),
        user_id=state.user_id,
    )
