"""The RSGI application: deliveries are answered in the event loop, everything else by Flask in a thread.

A body is read here under a deadline, so that a sender that stalls holds no thread. RSGI is Granian's own protocol
(its specification: `docs/spec/RSGI.md` in Granian's repository).
"""

import asyncio
from asyncio import AbstractEventLoop, CancelledError
from collections.abc import Awaitable
from typing import Any

import structlog
from granian.rsgi import ProtocolClosed  # type: ignore[attr-defined]  # an alias in its package

from adapters.http import Answer, Door, answer, failure, unrecorded
from adapters.server.bridge import Bridge
from adapters.server.deadline import Deadline
from adapters.server.link import Link
from core.event import Headers

BODY_DEADLINE = 20
"""Seconds in which a whole body has to arrive."""

_LATE = failure(408, "the body did not arrive in time", [("connection", "close")])
_CUT = failure(400, "the body broke off", [("connection", "close")])
_logger = structlog.get_logger()


class Front:
    """One process's server side. `link` leads to the process that writes; `bridge` runs Flask."""

    def __init__(self, door: Door, link: Link, bridge: Bridge) -> None:
        self._door = door
        self._link = link
        self._bridge = bridge
        self._deadline = Deadline(BODY_DEADLINE)

    def __rsgi_init__(self, loop: AbstractEventLoop) -> None:
        """Granian's call, before the first request."""
        self._link.tie(loop)

    def __rsgi__(self, scope: Any, protocol: Any) -> Awaitable[None]:
        """Granian's call for each request."""
        return self._deliver(scope, protocol) if scope.path.startswith("/in/") else self._ask(scope, protocol)

    async def _ask(self, scope: Any, protocol: Any) -> None:
        body = await self._read(protocol, scope.headers.get("content-length"))
        await self._bridge.respond(scope, protocol, b"" if isinstance(body, Answer) else body)

    async def _deliver(self, scope: Any, protocol: Any) -> None:
        """Whatever goes wrong with a delivery, its sender is told to send it again."""
        try:
            given = await self._answer(scope, protocol)
        except Exception:
            _logger.exception("delivery_failed")
            given = unrecorded()
        protocol.response_bytes(given.status, given.headers, given.body)

    async def _answer(self, scope: Any, protocol: Any) -> Answer:
        source = self._door.source_of(scope.method, scope.path)
        if not isinstance(source, str):
            return source
        headers: Headers = scope.headers.items()
        body = await self._read(protocol, scope.headers.get("content-length"))
        if isinstance(body, Answer):
            return body
        if isinstance(body, int):
            item: Any = self._door.refuse_size(source, headers, body)
        else:
            item = self._door.receive(source, headers, body)
        return answer(item, await self._link.commit(item))

    async def _read(self, protocol: Any, declared: str | None) -> bytes | int | Answer:
        """The body; the number of bytes seen where that is over the limit; an answer where it did not arrive."""
        if declared is not None and int(declared) > self._door.max_body:
            return int(declared)
        reading = protocol() if declared is not None else asyncio.ensure_future(self._read_chunks(protocol))
        self._deadline.begin(reading)
        try:
            return await reading
        except ProtocolClosed:
            return _CUT
        except CancelledError:
            if self._deadline.is_over(reading):
                return _LATE
            raise
        finally:
            self._deadline.end(reading)

    async def _read_chunks(self, protocol: Any) -> bytes | int | Answer:
        """Granian ends a body with one empty chunk, and one that broke off with two: it raises nothing there."""
        chunks, size, empty = [], 0, 0
        async for chunk in protocol:
            size += len(chunk)
            if size > self._door.max_body:
                return size
            empty += not chunk
            chunks.append(chunk)
        return _CUT if empty > 1 else b"".join(chunks)
