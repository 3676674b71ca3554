"""Connections to one server, such as a handler: kept for the next request, and looked at before a byte is sent."""

import asyncio
import ssl
from collections import deque
from ipaddress import ip_address
from socket import SOCK_STREAM, socket
from urllib.parse import urlsplit

import certifi
from aiohappyeyeballs import start_connection

from adapters.server.handlers.outgoing import OutgoingConnection

REUSED = 1.5
"""Seconds for which an idle connection is kept: handlers close theirs after 2 (gunicorn) or 5 (Node.js)."""
_LOOKED_AT = 2
"""Idle ones that may have expired, for each that becomes idle: so all of them are closed in time."""
_NEXT = 0.25
"""Seconds behind which the next address of a name is tried beside the one before (RFC 8305)."""
_PORTS = {"http": 80, "https": 443}


class UnreachableError(Exception):
    """Nobody takes a connection there."""


class MisledError(Exception):
    """The handler's name leads where none of ours is."""


class HandlerConnections:
    """Belongs to the event loop. A connection has one request at a time; how many there are is bounded by who asks.

    `own`: address and port that this service listens on, if it shall not be led there.
    """

    def __init__(self, url: str, own: tuple[str, int] | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._secure = _secure() if parts.scheme == "https" else None
        self._own = own
        self._idle: deque[OutgoingConnection] = deque()

    async def taken(self, silence: float | None = None) -> OutgoingConnection:
        """One that is kept, else a new one."""
        return self.kept(silence) or await self.opened(silence)

    def kept(self, silence: float | None = None) -> OutgoingConnection | None:
        """The one that was used last, unless the handler has closed it meanwhile.

        `silence`: seconds to wait for whatever the handler does.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.may_be_asked and not _has_expired(connection):
                connection.silence = silence
                return connection
            connection.close()
        return None

    async def opened(self, silence: float | None = None) -> OutgoingConnection:
        """A new one. Raises UnreachableError and MisledError."""
        try:
            connection = await asyncio.wait_for(self._new(), silence)
        except (OSError, UnicodeError) as error:  # a time-out is one of the first
            raise UnreachableError from error
        connection.silence = silence
        return connection

    def give_back(self, connection: OutgoingConnection) -> None:
        """Behind each request."""
        connection.finish()
        for _ in range(_LOOKED_AT):
            if self._idle and _has_expired(self._idle[0]):
                self._idle.popleft().close()
        if connection.may_be_asked:
            self._idle.append(connection)

    async def close(self) -> None:
        """Closes those that are idle."""
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)

    async def _new(self) -> OutgoingConnection:
        """A name may lead elsewhere each time: where it led is looked at once it is connected."""
        loop = asyncio.get_running_loop()
        addresses = await loop.getaddrinfo(self._host, self._port, type=SOCK_STREAM)
        connected = await start_connection(addresses, happy_eyeballs_delay=_NEXT)
        self._check(connected)
        name = self._host if self._secure is not None else None
        _, connection = await loop.create_connection(
            OutgoingConnection, sock=connected, ssl=self._secure, server_hostname=name
        )
        return connection

    def _check(self, connected: socket) -> None:
        ours, theirs = connected.getsockname()[0], connected.getpeername()[0]
        if misleads(self._host, self._port, ours, theirs, self._own):
            connected.close()
            raise MisledError


def _secure() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    context.set_alpn_protocols(["http/1.1"])
    return context


def _has_expired(connection: OutgoingConnection) -> bool:
    return asyncio.get_running_loop().time() - connection.since > REUSED


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
