"""`/v1/deliveries` and `/v1/rejections`: requests to ingest paths, and those that were refused."""

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, Routes
from adapters.http.presenters import shapes
from adapters.http.presenters.clocks import given
from adapters.sql import Delivered, Deliveries, DeliveryKeyset, Refusals
from core.instants import utc

routes = Routes()


@routes.many(Scope.READ, "/v1/deliveries", queries.Deliveries, shapes.Delivery)
def deliveries(ask: Ask[queries.Deliveries]) -> Listing[shapes.Delivery]:
    """Deliveries, the newest first: a `new` one is the event at its position, the others are stored beside the log.

    Of duplicates, conflicts and rejections a bounded number per source is stored, and a conflicting body only once; a
    timeline counts all duplicates and conflicts of an event.
    """
    return _listed(ask, ask.query.verdict or None, given(ask.query.position))


@routes.many(Scope.READ, "/v1/rejections", queries.Rejections, shapes.Delivery)
def rejections(ask: Ask[queries.Rejections]) -> Listing[shapes.Delivery]:
    """Rejected deliveries, the newest first, each with its reason; a bounded number per source is stored."""
    return _listed(ask, "rejected", None)


@routes.one(Scope.READ, "/v1/rejections/summary", queries.RejectionSummary, shapes.RejectionSummary)
def rejection_summary(ask: Ask[queries.RejectionSummary]) -> shapes.RejectionSummary:
    """How often deliveries were rejected, by source and reason, including those no longer stored."""
    source = ask.query.source or None
    found = ask.api.reads.refusals([str(source)] if source else ask.api.source_names())
    return shapes.RejectionSummary([_counted(ask.api, one) for one in found])


def _counted(api: Api, one: Refusals) -> shapes.Rejected:
    return shapes.Rejected(
        source=one.source,
        provider=api.provider_of(one.source),
        reason=one.reason,
        count=one.times,
        first_at=utc(one.first_at),
        last_at=utc(one.last_at),
        hint=one.hint or None,
    )


def _listed(
    ask: Ask[queries.Deliveries] | Ask[queries.Rejections], verdict: str | None, position: int | None
) -> Listing[shapes.Delivery]:
    source, limit = ask.query.source or None, ask.query.limit
    names = [source] if source else ask.api.source_names()
    seen = DeliveryKeyset(*ask.after) if ask.after else None
    reason = ask.query.reason or None
    asked = Deliveries(sources=names, limit=limit, verdict=verdict, position=position, reason=reason, seen=seen)
    rows, following = ask.api.reads.deliveries(asked)
    return Listing([shape(ask.api, row) for row in rows], following)


def shape(api: Api, row: Delivered) -> shapes.Delivery:
    """A delivery as returned by the API."""
    return shapes.Delivery(
        verdict=row.verdict,
        delivery=row.delivery or None,
        source=row.source,
        provider=api.provider_of(row.source),
        position=row.position,
        status=row.status,
        reason=row.reason,
        hint=row.hint or None,
        size=row.size,
        received_at=utc(row.received_at),
        recorded_at=utc(row.recorded_at),
    )
