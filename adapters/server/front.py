"""The RSGI application: deliveries are answered in the event loop, everything else by Flask in a thread.

A body is read here under a deadline, so that a sender that stalls holds no thread. RSGI is Granian's own protocol
(its specification: `docs/spec/RSGI.md` in Granian's repository).
"""

import asyncio
from asyncio import AbstractEventLoop, Future
from collections.abc import Sequence
from typing import Any

from adapters.http import Answer, Door, answer, failure
from adapters.server.bridge import Bridge
from adapters.sql import GroupCommit, Slot, Unavailable
from core.event import Headers

BODY_DEADLINE = 20.0
"""Seconds in which a whole body has to arrive."""


class Front:
    """One process's server side. `bridge` runs Flask."""

    def __init__(self, door: Door, commit: GroupCommit, bridge: Bridge) -> None:
        self._door = door
        self._commit = commit
        self._bridge = bridge
        self._loop: AbstractEventLoop | None = None

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            return
        if scope.path.startswith("/in/"):
            given = await self._deliver(scope, protocol)
            protocol.response_bytes(given.status, given.headers, given.body)
        else:
            body = await self._read(scope, protocol)
            await self._bridge.respond(scope, protocol, body)

    async def _deliver(self, scope: Any, protocol: Any) -> Answer:
        source = self._door.source_of(scope.method, scope.path)
        if not isinstance(source, str):
            return source
        headers: Headers = scope.headers.items()
        body = await self._read(scope, protocol)
        if body is None:
            return failure(408, "the body did not arrive in time", [("connection", "close")])
        if isinstance(body, int):
            item: Any = self._door.refuse_size(source, headers, body)
        else:
            item = self._door.receive(source, headers, body)
        return answer(item, await self._committed(item))

    async def _committed(self, item: Any) -> Any:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        future: Future[None] = self._loop.create_future()
        try:
            slot = self._commit.submit(item, self._wake, future)
        except Unavailable as error:
            return error
        await future
        return slot.outcome

    def _wake(self, slots: Sequence[Slot]) -> None:
        """Called in the committing thread: one wake-up of the loop for all that one commit answered."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(_resolve, slots)

    async def _read(self, scope: Any, protocol: Any) -> bytes | int | None:
        """The body; the number of bytes seen where that is over the limit; None where it did not arrive in time."""
        declared = scope.headers.get("content-length")
        if declared is not None and int(declared) > self._door.max_body:
            return int(declared)
        try:
            async with asyncio.timeout(BODY_DEADLINE):
                if declared is not None:
                    body: bytes = await protocol()
                    return body
                return await self._read_chunks(protocol)
        except TimeoutError:
            return None

    async def _read_chunks(self, protocol: Any) -> bytes | int:
        chunks, size = [], 0
        async for chunk in protocol:
            size += len(chunk)
            if size > self._door.max_body:
                return size
            chunks.append(chunk)
        return b"".join(chunks)


def _resolve(slots: Sequence[Slot]) -> None:
    for slot in slots:
        if not slot.waiter.done():
            slot.waiter.set_result(None)
