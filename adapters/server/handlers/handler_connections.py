"""A connection pool for one server, such as a handler. Reused connections are checked before they send."""

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
"""Seconds that an idle connection is kept. Handlers close theirs after 2 (gunicorn) or 5 (Node.js)."""
_LOOKED_AT = 2
"""Idle connections that are checked for expiry whenever one becomes idle, so that all are closed in time."""
_NEXT = 0.25
"""Seconds before the next address of a name is tried in parallel (RFC 8305)."""
_PORTS = {"http": 80, "https": 443}


class UnreachableError(Exception):
    """The server accepts no connection."""


class MisledError(Exception):
    """The handler's name resolves to a forbidden address."""


class HandlerConnections:
    """Belongs to the event loop. A connection has one request at a time; the caller bounds their number.

    `own` is this service's address and port, to which connections are refused.
    """

    def __init__(self, url: str, own: tuple[str, int] | None = None) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
        self._secure = _secure() if parts.scheme == "https" else None
        self._own = own
        self._idle: deque[OutgoingConnection] = deque()

    async def taken(self, silence: float | None = None) -> OutgoingConnection:
        """A kept connection, else a new one."""
        return self.kept(silence) or await self.opened(silence)

    def kept(self, silence: float | None = None) -> OutgoingConnection | None:
        """The most recently used connection, unless the handler has closed it. `silence` is the longest silence in
        seconds.
        """
        while self._idle:
            connection = self._idle.pop()
            if connection.may_be_asked and not _has_expired(connection):
                connection.silence = silence
                return connection
            connection.close()
        return None

    async def opened(self, silence: float | None = None) -> OutgoingConnection:
        """Opens a connection. Raises UnreachableError and MisledError."""
        try:
            connection = await asyncio.wait_for(self._new(), silence)
        except (OSError, UnicodeError) as error:  # OSError includes TimeoutError
            raise UnreachableError from error
        connection.silence = silence
        return connection

    def give_back(self, connection: OutgoingConnection) -> None:
        """Returns a connection after each request."""
        connection.finish()
        for _ in range(_LOOKED_AT):
            if self._idle and _has_expired(self._idle[0]):
                self._idle.popleft().close()
        if connection.may_be_asked:
            self._idle.append(connection)

    async def close(self) -> None:
        """Closes the idle connections."""
        while self._idle:
            self._idle.pop().close()
        await asyncio.sleep(0)

    async def _new(self) -> OutgoingConnection:
        """Connects, then checks the address, because a name may resolve differently each time."""
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
    """Whether a connection from `ours` to `theirs` led to this service itself or to a forbidden address.

    Private addresses are allowed. Link-local ones (such as a cloud's metadata) are allowed only if the URL names them.
    """
    if own is not None and port == own[1] and ours == theirs and (own[0] == theirs or _is_any(own[0])):
        return True
    address = ip_address(theirs)
    address = getattr(address, "ipv4_mapped", None) or address
    return (address.is_link_local or address.is_multicast) and host != theirs


def _is_any(host: str) -> bool:
    return host in ("0.0.0.0", "::")  # noqa: S104 - compared, not bound
