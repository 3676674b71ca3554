"""Deliveries go on to the handlers of their sources once they are committed, and what became of them into the log."""

import asyncio
from asyncio import Future
from collections.abc import Coroutine, Mapping
from typing import Any

import structlog
from prometheus_client import Counter

from adapters.http import Door
from adapters.providers import Outcome, outcome_body, read_outcome
from adapters.server.handler import Handler
from adapters.server.link import Link
from adapters.server.reader import Request
from adapters.server.site import Respond
from adapters.sql import Entry, Receipt, Recorder, Rejection, Unavailable
from core.event import Reading

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
    """Of one process; belongs to the event loop. `handlers`: by source; `recorder` makes entries of our own."""

    def __init__(self, handlers: Mapping[str, Handler], door: Door, link: Link, recorder: Recorder) -> None:
        self._handlers = handlers
        self._door = door
        self._link = link
        self._recorder = recorder
        self._tasks: set[asyncio.Task[None]] = set()

    def __contains__(self, source: str) -> bool:
        return source in self._handlers

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
        PASSED.labels(source, path, _word(outcome)).inc()

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
        suffix, until = _suffix(request.target), arrived + handler.target.within
        outcome = await handler.answer(request, suffix, marks, respond, until)
        FORWARDS.labels(item.source, _word(outcome)).inc()
        if isinstance(item, Entry):
            await self._record(item.source, receipt.position, self._entry(handler, item, receipt, outcome))

    def _entry(self, handler: Handler, item: Entry, receipt: Receipt, outcome: Outcome) -> Entry:
        """An event of the session where its machine knows what handlers do; else one of our own, without the answer."""
        reading, sealed = item.reading, item.sealed
        of_session = isinstance(reading, Reading) and reading.known and reading.kind == "session"
        if handler.target.session and of_session and isinstance(reading, Reading) and sealed is not None:
            body = outcome_body(outcome, reading.provider_id, sealed.key, receipt.verdict)
            identity = b"outcome:" + sealed.key + outcome.began.to_bytes(8)
            return Entry(item.source, outcome.ended, [], body, None, identity, read_outcome(body))
        return self._recorder.entry(
            "forwarded",
            source=item.source,
            position=receipt.position,
            verdict=receipt.verdict,
            status=outcome.status,
            failure=outcome.failure,
            latency_ms=(outcome.ended - outcome.began) / 1000,
            size=outcome.size,
            sha256=outcome.sha256,
        )

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


def _suffix(target: str) -> str:
    """What MentraOS appends to a URL, however often; nothing where it was not."""
    _, _, rest = target.partition("?")[0].strip("/").removeprefix("in").strip("/").partition("/")
    return "/webhook" if rest.strip("/") else ""


def _word(outcome: Outcome) -> str:
    """What is counted: why there was no answer, or the kind of its status."""
    return outcome.failure or f"{(outcome.status or 0) // 100}xx"
