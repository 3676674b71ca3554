"""Deliveries go on to the handlers of their sources once they are committed, and what became of them into the log."""

import asyncio
from asyncio import Future
from collections.abc import Collection, Coroutine, Mapping
from typing import Any

import structlog
from prometheus_client import Counter

from adapters.http import Door, appended
from adapters.server.handler import Handler
from adapters.server.link import Link
from adapters.server.outcomes import HandedOn, counted_as
from adapters.server.reader import Request
from adapters.server.site import Respond
from adapters.sql import Entry, Receipt, Recorder, Rejection, Unavailable

AGAIN = (0.0, 1.0, 2.0, 4.0, 8.0)
"""Seconds before each attempt to record an outcome; behind the last one it is lost, and a line says so."""

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
    """Of one process; belongs to the event loop. `handlers`: by source; `recorder` makes entries of our own.

    `answering`: the sources that are answered by their handlers. Of the others only what is no webhook is passed on.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        answering: Collection[str],
        door: Door,
        link: Link,
        recorder: Recorder,
    ) -> None:
        self._handlers = handlers
        self._answering = answering
        self._door = door
        self._link = link
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, source: str) -> bool:
        return source in self._answering

    def pass_on(self, request: Request, path: str, respond: Respond) -> bool:
        """Passes on what the sender asks of the app beside webhooks, unrecorded; False where it is none of that."""
        passed = self.passes(path)
        if passed is None:
            return False
        self._start(self._pass_on(*passed, request, respond))
        return True

    def passes(self, path: str) -> tuple[str, str] | None:
        """The source and what follows its name, where that is no webhook but the app's own business."""
        source, slash, rest = path.removeprefix("/in/").partition("/")
        handler = self._handlers.get(source)
        return (source, slash + rest) if handler and slash + rest in handler.target.beside else None

    def committed(
        self,
        item: Entry | Rejection,
        request: Request,
        arrived: float,
        respond: Respond,
        receipt: Receipt | Unavailable,
    ) -> None:
        """Hands a delivery on, now that it is on record. What does not verify goes on where it is only observed."""
        handler = self._handlers[item.source]
        observed = isinstance(item, Rejection) and item.status == 401 and handler.target.observe
        if not isinstance(receipt, Receipt) or (isinstance(item, Rejection) and not observed):
            respond(self._door.answer(item, receipt))
            return
        self._door.count(item, receipt)
        self._start(self._forward(handler, item, request, arrived, respond, receipt))

    async def close(self, patience: float) -> None:
        """Waits for what is under way, for which no client need wait any more."""
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
        request: Request,
        arrived: float,
        respond: Respond,
        receipt: Receipt,
    ) -> None:
        marks = [("hookfold-verdict", receipt.verdict)]
        if isinstance(item, Entry):
            marks.append(("hookfold-position", str(receipt.position)))
        suffix, until = appended(request.target), arrived + handler.target.within
        outcome = await handler.answer(request, suffix, marks, respond, until)
        FORWARDS.labels(item.source, counted_as(outcome)).inc()
        if isinstance(item, Entry) and item.sealed is not None:
            where, session = (item.source, receipt.position), handler.target.session
            handed = HandedOn(*where, item.sealed.key, item.reading, receipt.verdict, session=session)
            await self._record(*where, handed.entry(self._recorder, outcome))

    async def _record(self, source: str, position: int, entry: Entry) -> None:
        """The same entry again is known by its key: what was committed without our hearing of it is not doubled."""
        for pause in AGAIN:
            await asyncio.sleep(pause)
            if isinstance(await self._commit(entry), Receipt):
                return
        _logger.warning("outcome_lost", source=source, position=position, reason="the log could not commit it")

    async def _commit(self, entry: Entry) -> Receipt | Unavailable:
        told: Future[Receipt | Unavailable] = asyncio.get_running_loop().create_future()
        self._link.commit(entry, lambda outcome: None if told.done() else told.set_result(outcome))
        return await told
