"""Connections to one handler. `httpcore`'s own pool walks all of them for each request, which hundreds at once feel."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpcore

REUSED = 1.5
"""Seconds for which an idle connection is kept: handlers close theirs after 2 (gunicorn) or 5 (Node.js)."""
_LOOKED_AT = 2
"""Idle ones that may have expired, for each that becomes idle: so all of them are closed in time."""


class HandlerConnections:
    """Belongs to the event loop. A connection has one request at a time; how many there are is bounded by who asks."""

    def __init__(self, url: httpcore.URL) -> None:
        self._origin = url.origin
        self._secure = httpcore.default_ssl_context() if url.scheme == b"https" else None
        self._idle: deque[httpcore.AsyncHTTPConnection] = deque()

    @asynccontextmanager
    async def answer_to(self, request: httpcore.Request) -> AsyncIterator[httpcore.Response]:
        """The answer, to be read within the block. Raises what `httpcore` raises."""
        connection = await self._taken()
        try:
            response = await connection.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()
        finally:
            await self._give_back(connection)

    async def close(self) -> None:
        """Closes those that are idle."""
        while self._idle:
            await self._idle.pop().aclose()

    async def _taken(self) -> httpcore.AsyncHTTPConnection:
        """The one that was used last, unless the handler has closed it meanwhile; else a new one."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_idle() and not connection.has_expired():
                return connection
            await connection.aclose()
        return httpcore.AsyncHTTPConnection(self._origin, self._secure, keepalive_expiry=REUSED)

    async def _give_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        if connection.is_closed() or not connection.is_idle():
            await connection.aclose()
            return
        for _ in range(_LOOKED_AT):
            if self._idle and self._idle[0].has_expired():
                await self._idle.popleft().aclose()
        self._idle.append(connection)
