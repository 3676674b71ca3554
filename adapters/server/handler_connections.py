"""Connections to one handler. `httpcore`'s own pool walks all of them for each request, which hundreds at once feel."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any

import httpcore

REUSED = 1.5
"""Seconds for which an idle connection is kept: handlers close theirs after 2 (gunicorn) or 5 (Node.js)."""
_LOOKED_AT = 2
"""Idle ones that may have expired, for each that becomes idle: so all of them are closed in time."""


class MisledError(Exception):
    """The handler's name leads where none of ours is."""


class HandlerConnections:
    """Belongs to the event loop. A connection has one request at a time; how many there are is bounded by who asks.

    `own`: address and port that this service listens on, if it shall not be led there.
    """

    def __init__(self, url: httpcore.URL, own: tuple[str, int] | None = None) -> None:
        self._network = _Network(own)
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
        return httpcore.AsyncHTTPConnection(
            self._origin, self._secure, keepalive_expiry=REUSED, network_backend=self._network
        )

    async def _give_back(self, connection: httpcore.AsyncHTTPConnection) -> None:
        if connection.is_closed() or not connection.is_idle():
            await connection.aclose()
            return
        for _ in range(_LOOKED_AT):
            if self._idle and self._idle[0].has_expired():
                await self._idle.popleft().aclose()
        self._idle.append(connection)


class _Network(httpcore.AnyIOBackend):
    """A name may lead elsewhere each time: where it led is looked at once it is connected, before a byte is sent."""

    def __init__(self, own: tuple[str, int] | None) -> None:
        self._own = own

    async def connect_tcp(self, host: str, port: int, *given: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        """Raises MisledError."""
        stream = await super().connect_tcp(host, port, *given, **more)
        ends = (stream.get_extra_info("client_addr")[0], stream.get_extra_info("server_addr")[0])
        if misleads(host, port, *ends, self._own):
            await stream.aclose()
            raise MisledError
        return stream


def misleads(host: str, port: int, ours: str, theirs: str, own: tuple[str, int] | None) -> bool:
    """Whether a connection from `ours` to `theirs` led to this very service, or to what no name of a handler has.

    Private addresses are fine; those of the link (such as a cloud's metadata) are what the URL itself may name.
    """
    if own is not None and port == own[1] and ours == theirs and (own[0] == theirs or _is_any(own[0])):
        return True
    address = ip_address(theirs)
    address = getattr(address, "ipv4_mapped", None) or address
    return (address.is_link_local or address.is_multicast) and host != theirs


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
