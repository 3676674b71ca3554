"""`/v1/relays`: deliveries to the handlers of relayed sources that wait or have failed."""

from adapters.config import Scope
from adapters.http.framework import queries
from adapters.http.framework.api import Api
from adapters.http.framework.routes import Ask, Listing, Routes, page_of
from adapters.http.presenters import shapes
from adapters.sql import QueuedRelay, RelayState
from core.instants import text_of
from core.words import counted

routes = Routes()


@routes.many(Scope.READ, "/v1/relays", queries.Relays, shapes.Relay)
def relays(ask: Ask[queries.Relays]) -> Listing[shapes.Relay]:
    """Waiting and dead deliveries to handlers, in log order. Completed ones are not listed."""
    source, limit = ask.query.source or None, ask.query.limit
    names = [str(source)] if source else ask.api.source_names()
    rows = ask.api.reads.relays(names, ask.after or 0, limit + 1, dead=bool(ask.query.state))
    page, following = page_of(rows, limit, lambda row: row.position)
    return Listing([_shape(ask.api, row) for row in page], following)


@routes.one(Scope.READ, "/v1/relays/summary", queries.Query, shapes.RelaySummary)
def relay_summary(ask: Ask[queries.Query]) -> shapes.RelaySummary:
    """The number of waiting and dead deliveries, and what is paused, by source."""
    reads = ask.api.reads
    with reads.together():
        names = ask.api.source_names()
        some = [name for name in names if name in ask.api.relayed or reads.has_any("relays", name)]
        return shapes.RelaySummary([_counted(ask.api, reads.relay_state(name)) for name in some])


def _shape(api: Api, row: QueuedRelay) -> shapes.Relay:
    return shapes.Relay(
        source=row.source,
        provider=api.provider_of(row.source),
        position=row.position,
        stream=None if row.lane == str(row.position) else row.lane,
        reason=None if row.dead_at is None else _reason(row),
        state="dead" if row.dead_at is not None else "waiting" if row.holder is None else "delivering",
        attempts=row.attempts,
        next_at=text_of(row.due) if row.holder is None else None,
        first_at=text_of(row.first_at),
        last_at=text_of(row.last_at),
        status=row.status,
        failure=row.failure,
        dead_at=text_of(row.dead_at),
    )


def _reason(row: QueuedRelay) -> str:
    """Why a delivery is dead."""
    if row.failure is None:
        last = f"the handler answered the last one with {row.status}"
    else:
        answered = "" if row.status is None else f", after an answer with {row.status}"
        last = f"the last one failed: {row.failure}{answered}"
    return f"given up after {counted(row.attempts, 'attempt')}; {last}"


def _counted(api: Api, one: RelayState) -> shapes.RelayCount:
    return shapes.RelayCount(
        source=one.source,
        provider=api.provider_of(one.source),
        waiting=one.waiting,
        dead=one.dead,
        oldest_at=text_of(one.oldest_at),
        next_at=text_of(one.next_at),
        paused_at=text_of(one.paused_at),
    )
