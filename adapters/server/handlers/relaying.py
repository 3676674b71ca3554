"""Delivers the outbox to the sources' handlers after the sender was answered, until it succeeds.

An outcome is committed before its delivery leaves the outbox. So if anything is killed in between, it is delivered and
recorded again: at least once, in the order of its stream.
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, replace
from typing import Any

import structlog

from adapters.http import LogThrottle
from adapters.providers import Outcome, Provider
from adapters.server.commits.spans import Spans
from adapters.server.handlers.backoff import asked_pause, pause
from adapters.server.handlers.forwarding import FORWARDS
from adapters.server.handlers.handler import Handler, RecordedRequest
from adapters.server.handlers.outcomes import HandedOn, counted_as
from adapters.sql import BodyReader, Entry, HeldRelay, Outbox, Receipt, Recorder, Settled, Turn, Unavailable
from core.event import SECOND, Instant

LEASE: Instant = 60 * SECOND
"""The time after a response until another process may take the delivery."""
SPARE: Instant = 5 * SECOND
"""The time before the end of a lease from which an outcome is no longer recorded."""
GAP = 0.01
"""Seconds between two queries, so that what was appended or settled meanwhile is taken together."""
LONGEST_REST = 5.0
"""The longest time in seconds without a query if no append is reported."""
AWAY = 1.0
"""Seconds before the database or the log is tried again."""
HOPELESS = frozenset({"oversized", "unsendable"})
"""Failures that every attempt would meet."""

_logger = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class RelaySource:
    """A relayed source. `retry_for`: microseconds from the first attempt to the last one."""

    name: str
    handler: Handler
    provider: Provider
    read: BodyReader
    retry_for: Instant


class Relaying:
    """Relays one source in one process. Belongs to the event loop.

    `ask` runs a database query in a thread; `commit` returns an entry's receipt, or None if it is not in the log.
    `spans` traces deliveries.
    """

    def __init__(
        self,
        source: RelaySource,
        queue: Outbox,
        ask: Callable[..., Awaitable[Any]],
        commit: Callable[[Entry], Awaitable[Receipt | None]],
        recorder: Recorder,
        clock: Callable[[], Instant],
        spans: Spans | None = None,
    ) -> None:
        self._source = source
        self._queue = queue
        self._ask = ask
        self._commit = commit
        self._recorder = recorder
        self._clock = clock
        self._spans = spans
        self._settled: list[Settled] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()
        self._stopping = False
        self._away = False
        self._dead: defaultdict[str, LogThrottle] = defaultdict(LogThrottle)

    def wake(self) -> None:
        """Called after an append."""
        self._woken.set()

    def sign_with(self, providers: Mapping[str, Provider]) -> None:
        """Signs with these providers' secrets from now on."""
        provider = providers.get(self._source.name, self._source.provider)
        self._source = replace(self._source, provider=provider)

    def stop(self) -> None:
        """Takes no more deliveries; `run` returns once the pending ones are settled."""
        self._stopping = True
        self._woken.set()

    async def run(self) -> None:
        """Delivers until stopped."""
        await self._until_there(self._release)
        while not self._stopping or self._tasks or self._settled:
            self._woken.clear()
            turn = await self._turn()
            for one in turn.taken:
                self._start(self._deliver(one))
            await self._rest(turn)
        await self._source.handler.close()

    async def _turn(self) -> Turn:
        settled, self._settled = self._settled, []
        room = 0 if self._stopping else self._source.handler.target.most - len(self._tasks)
        turn: Turn = await self._until_there(self._take, settled, room)
        return turn

    def _release(self) -> None:
        self._queue.release(self._clock())

    def _take(self, settled: list[Settled], room: int) -> Turn:
        """Computes the leases anew for each query, because a lease must not expire while the database is away."""
        now = self._clock()
        until = now + int(self._source.handler.target.within * SECOND) + LEASE
        return self._queue.turn(self._source.name, settled, room, now, until)

    async def _until_there(self, question: Callable[..., Any], *values: Any) -> Any:
        """Queries the database, with retries while it is away."""
        while True:
            try:
                answer = await self._ask(question, *values)
            except Unavailable as error:
                self._tell_away(str(error))
                if self._stopping:
                    return Turn([], None)
                await asyncio.sleep(AWAY)
            else:
                self._away = False
                return answer

    def _tell_away(self, reason: str) -> None:
        if not self._away:
            _logger.warning("relay_waits", source=self._source.name, reason=reason)
        self._away = True

    async def _rest(self, turn: Turn) -> None:
        """Waits for an append, for the end of a delivery or, if a slot is free, until the next delivery is due.

        Waits at most `LONGEST_REST` seconds.
        """
        await asyncio.sleep(GAP)
        seconds = LONGEST_REST
        if turn.next_at is not None and len(self._tasks) < self._source.handler.target.most:
            seconds = min(max((turn.next_at - self._clock()) / SECOND, 0.0), seconds)
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._woken.set()

    async def _deliver(self, held: HeldRelay) -> None:
        """Delivers one. A bug of ours leaves it leased; it is taken again when the lease expires."""
        try:
            settled = await self._attempt(held)
            self._settled.append(settled)  # not in one statement: a turn replaces the list meanwhile
        except Exception:
            _logger.exception("relay_failed", source=held.source, position=held.position)

    async def _attempt(self, held: HeldRelay) -> Settled:
        now = self._clock()
        if held.body is None:  # erased meanwhile
            return Settled(held, now)
        headers = self._source.provider.signed_again(held.headers, held.body, now)
        marks = [("hookfold-verdict", "new"), ("hookfold-position", str(held.position))]
        until = asyncio.get_running_loop().time() + self._source.handler.target.within
        request = RecordedRequest(held.target, headers, held.body)
        span = None if self._spans is None else self._spans.relayed(held.source, held.position, held.headers)
        outcome, answered = await self._source.handler.deliver(request, marks, until)
        if span is not None:
            span.end(outcome)
        outcome.attempts = held.attempts + 1
        FORWARDS.labels(held.source, counted_as(outcome)).inc()
        return await self._settle(held, held.body, outcome, asked_pause(answered))

    async def _settle(self, held: HeldRelay, body: bytes, outcome: Outcome, asked: Instant) -> Settled:
        at, attempts = outcome.ended, held.attempts + 1
        settled = Settled(held, at, status=outcome.status, failure=outcome.failure)
        again = at + max(pause(attempts), asked)
        last = (at if held.first_at is None else held.first_at) + self._source.retry_for
        if not outcome.succeeded and again <= last and outcome.failure not in HOPELESS:
            return settled._replace(again=again)
        session = self._source.handler.target.session
        read = self._source.read(held.type, body)
        handed = HandedOn(held.source, held.position, held.key, read, "new", session=session)
        if not await self._record(handed.entry(self._recorder, outcome), held.until - SPARE):
            return settled._replace(again=self._clock())
        if not outcome.succeeded:
            self._tell_dead(held, outcome, attempts)
        return settled._replace(dead=not outcome.succeeded)

    def _tell_dead(self, held: HeldRelay, outcome: Outcome, attempts: int) -> None:
        """Logs dead deliveries, at most one line a minute with their number."""
        reason = outcome.failure or f"status {outcome.status}"
        if count := self._dead[reason].count():
            mend = f"/v1/relays?source={held.source}&state=dead lists them; hookfold relay retry delivers them again"
            of_last = {"position": held.position, "attempts": attempts}
            _logger.error("not_relayed", source=held.source, reason=reason, count=count, mend=mend, **of_last)

    async def _record(self, entry: Entry, until: Instant) -> bool:
        """Records an entry. Its key prevents duplicates."""
        while await self._commit(entry) is None:
            if self._clock() > until or self._stopping:
                return False
            await asyncio.sleep(AWAY)
        return True
