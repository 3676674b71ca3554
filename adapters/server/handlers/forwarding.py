"""Forwards committed deliveries to their sources' handlers, and records the outcomes in the log."""

import asyncio
from collections.abc import Awaitable, Collection, Coroutine, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import structlog
from prometheus_client import Counter

from adapters.http import SPOOLED, Door, LogThrottle, appended, unrecorded
from adapters.providers import Outcome
from adapters.server.commits.link import Link, outcome_of
from adapters.server.commits.spans import TracedDelivery, context_of
from adapters.server.commits.spooling import Spooling
from adapters.server.handlers.handler import Handler, HandlerRequest
from adapters.server.handlers.outcomes import HandedOn, counted_as
from adapters.server.http11.connections import Respond
from adapters.server.http11.reader import Request
from adapters.sql import Entry, Receipt, Recorder, Rejection, Unavailable

AGAIN = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to record an outcome. After the last one it is lost and logged."""

FORWARDS = Counter(
    "hookfold_forwards", "Deliveries handed on to handlers, by what came of it.", ["source", "outcome"], registry=None
)
PASSED = Counter(
    "hookfold_passed",
    "Requests passed on beside deliveries, by what came of it.",
    ["source", "path", "outcome"],
    registry=None,
)
METRICS = (FORWARDS, PASSED)
_logger = structlog.get_logger()


class Forwarding:
    """Forwards for one process. Belongs to the event loop. `handlers` are by source; `recorder` makes our own entries.

    `answering` are sources whose handlers answer. For others, only requests that are not webhooks are passed on.
    `spools` belong to sources that are forwarded while the log cannot commit.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        answering: Collection[str],
        door: Door,
        link: Link,
        recorder: Recorder,
        spools: Mapping[str, Spooling] = MappingProxyType({}),
    ) -> None:
        self._handlers = handlers
        self._spools = spools
        self._answering = answering
        self._door = door
        self._link = link
        self._recorder = recorder
        self._quiet = cache(lambda _source, _counted: LogThrottle())
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, source: str) -> bool:
        return source in self._answering

    def pass_on(self, request: Request, path: str, respond: Respond) -> bool:
        """Forwards a request that is not a webhook to the handler without recording it.

        Returns False if its path is not one of those that the provider requests beside webhooks.
        """
        passed = self.passes(path)
        if passed is None:
            return False
        self._start(self._pass_on(*passed, request, respond))
        return True

    def passes(self, path: str) -> tuple[str, str] | None:
        """The source and the rest of the path, if the path belongs to the app; None for webhooks."""
        source, slash, rest = path.removeprefix("/in/").partition("/")
        handler = self._handlers.get(source)
        return (source, slash + rest) if handler and slash + rest in handler.target.beside else None

    def take(
        self, item: Entry | Rejection, request: Request, respond: Respond, span: TracedDelivery | None = None
    ) -> None:
        """Commits or spools a delivery, then forwards it. `span` is the request's, if traced."""
        trace = context_of(span)
        if not self._goes_on(item):
            self._link.commit(item, lambda receipt: respond(self._door.answer(item, receipt)), trace)
            return
        spooling = self._spools.get(item.source)
        receipt = outcome_of(self._link, item, trace) if spooling is None else spooling.take(item, trace)
        self._start(self._take(item, request, respond, receipt, span))

    def _goes_on(self, item: Entry | Rejection) -> bool:
        """Whether to forward the item. Rejections are forwarded only in observing mode."""
        return isinstance(item, Entry) or (item.status == 401 and self._handlers[item.source].target.observe)

    async def _take(
        self,
        item: Entry | Rejection,
        request: Request,
        respond: Respond,
        recording: Awaitable[Receipt | Unavailable],
        span: TracedDelivery | None,
    ) -> None:
        """Builds the request to the handler while the delivery is committed."""
        arrived = asyncio.get_running_loop().time()
        try:
            await asyncio.sleep(0)  # lets the delivery leave for its commit first
            handler = self._handlers[item.source]
            prepared = handler.prepared(request, appended(request.target))
            receipt = await recording
        except Exception:
            _logger.exception("delivery_failed")
            respond(unrecorded())
            return
        if isinstance(receipt, Receipt):
            await self._forward(handler, item, prepared, arrived, respond, receipt, span)
        else:
            respond(self._door.answer(item, receipt))

    async def close(self, patience: float) -> None:
        """Waits for current requests, even without waiting clients."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=patience)
        for handler in self._handlers.values():
            await handler.close()

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: str, path: str, request: Request, respond: Respond) -> None:
        outcome = await self._handlers[source].pass_on(request, path, respond)
        PASSED.labels(source, path, counted_as(outcome)).inc()

    async def _forward(
        self,
        handler: Handler,
        item: Entry | Rejection,
        prepared: HandlerRequest,
        arrived: float,
        respond: Respond,
        receipt: Receipt,
        span: TracedDelivery | None,
    ) -> None:
        """Forwards a recorded delivery."""
        marks = [("hookfold-verdict", receipt.verdict)]
        if isinstance(item, Entry) and receipt is not SPOOLED:
            marks.append(("hookfold-position", str(receipt.position)))
        asyncio.get_running_loop().call_soon(self._door.count, item, receipt)
        forward = None if span is None else span.forward()
        outcome = await handler.answer(prepared, marks, respond, arrived + handler.target.within)
        if forward is not None:
            forward.end(outcome)
        self._count(item.source, outcome, receipt.position, session=handler.target.session)
        if isinstance(item, Entry) and item.sealed is not None:
            where, session = (item.source, receipt.position), handler.target.session
            handed = HandedOn(*where, item.sealed.key, item.reading, receipt.verdict, session=session)
            await self._record(*where, handed.entry(self._recorder, outcome))

    def _count(self, source: str, outcome: Outcome, position: int, *, session: bool) -> None:
        counted = counted_as(outcome)
        FORWARDS.labels(source, counted).inc()
        if outcome.succeeded or not (count := self._quiet(source, counted).count()):
            return
        where = f"source={source}&type=handler_failed" if session else "source=hookfold&type=forwarded"
        told: dict[str, Any] = {"outcome": counted, "status": outcome.status, "count": count, "position": position}
        mend = f"look at the handler behind forward_to; /v1/events?{where} tells what it answered to each"
        _logger.warning("handler_failed", source=source, **told, mend=mend)

    async def _record(self, source: str, position: int, entry: Entry) -> None:
        """Records an entry with retries. Its key prevents a duplicate if an earlier attempt was committed unnoticed."""
        spooling = self._spools.get(source)
        for pause in AGAIN:
            await asyncio.sleep(pause)
            recording = outcome_of(self._link, entry) if spooling is None else spooling.take(entry)
            if isinstance(await recording, Receipt):
                return
        _logger.warning("outcome_lost", source=source, position=position, reason="the log could not commit it")
