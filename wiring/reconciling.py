"""The wiring of reconciliation."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from adapters.config import Polling, Settings
from adapters.server import ActionApi, Reconciled, Reconciliation
from adapters.sql import Entry, LiveAction, Log, Reads, Receipt, Unavailable
from core.event import Instant
from wiring.appending import appending
from wiring.components import Components, now


def reconciliation(
    components: Components,
    source: str,
    polling: Polling,
    ask: Callable[..., Awaitable[Any]],
    commit: Callable[[Entry], Awaitable[Receipt | None]],
) -> Reconciliation:
    """The reconciliation of one source. `ask` runs a database query."""
    reads, current = Reads(components.engine), Reads(components.engine).current(components.code())

    def look(after: int, heard_before: Instant, limit: int) -> Sequence[LiveAction]:
        if not current.is_built():
            raise Unavailable("the actions are being folded anew")
        return reads.live_actions(source, current.versions, after, heard_before, limit)

    async def find(*asked: int) -> Sequence[LiveAction]:
        found: Sequence[LiveAction] = await ask(look, *asked)
        return found

    return Reconciliation(source, ActionApi(polling.url, polling.key.value), find, commit, now)


Reconcile = Callable[[str, int | None, Callable[[Reconciled], None]], Reconciled]
"""Maps a source, the most requests and a progress callback to the result."""


@contextmanager
def reconciling(settings: Settings) -> Iterator[Reconcile]:
    """Context manager: yields the function behind `hookfold reconcile`.

    The function raises KeyError if the source is not polled.
    """
    with appending(settings) as (components, log):

        def reconcile(source: str, most: int | None, tell: Callable[[Reconciled], None]) -> Reconciled:
            polling = components.settings.sources[source].polling
            if polling is None:
                raise KeyError(source)
            return asyncio.run(_round(components, log, source, polling, most, tell))

        yield reconcile


async def _round(
    components: Components,
    log: Log,
    source: str,
    polling: Polling,
    most: int | None,
    tell: Callable[[Reconciled], None],
) -> Reconciled:
    async def commit(entry: Entry) -> Receipt:
        return log.append([entry])[0]

    async def ask(question: Callable[..., Any], *values: Any) -> Any:
        return question(*values)

    made = reconciliation(components, source, polling, ask, commit)
    try:
        return await made.round(most, tell)
    finally:
        await made.api.close()
