"""A client of the provider's API that fetches one action at a time."""

import asyncio
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from adapters.server.handlers.answer_reader import BrokenError
from adapters.server.handlers.handler_connections import HandlerConnections, MisledError, UnreachableError
from adapters.server.handlers.outgoing import head_of

PATIENCE = 15.0
"""Seconds for a response."""
MOST = 1 << 20
"""The most bytes of a response."""


class Answered(NamedTuple):
    """The status, None if there was no response, and the body. `later`: seconds before the next request."""

    status: int | None
    body: bytes = b""
    later: int = 0


class ActionApi:
    """`GET {url}/actions/{id}` with `x-api-key`. Belongs to one event loop; redirects are not followed."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._path = parts.path
        self._headers = [("host", parts.netloc), ("accept", "application/json")]
        self.ask_with(key)
        self._connections = HandlerConnections(url)

    def ask_with(self, key: str) -> None:
        """Uses this key from now on."""
        self._key = ("x-api-key", key.encode("utf-8", "surrogateescape").decode("latin-1"))

    async def close(self) -> None:
        """Closes its connection."""
        await self._connections.close()

    async def ask(self, action_id: str) -> Answered:
        """Fetches an action.

        The status of the result is None after a network error or a timeout, or for an invalid or too large response.
        """
        target = f"{self._path}/actions/{quote(action_id, safe='')}"
        head = head_of("GET", target, [*self._headers, self._key])
        try:
            async with asyncio.timeout(PATIENCE):
                return Answered(None) if head is None else await self._heard(head)
        except (TimeoutError, UnreachableError, MisledError, BrokenError):
            return Answered(None)

    async def _heard(self, head: bytes) -> Answered:
        connection = await self._connections.taken()
        body = bytearray()
        try:
            connection.ask(head)
            status, headers = await connection.head()
            while piece := await connection.some():
                body += piece
                if len(body) > MOST:
                    return Answered(None)
        finally:
            self._connections.give_back(connection)
        asked = next((value for name, value in headers if name.lower() == "retry-after"), "")
        return Answered(status, bytes(body), int(asked) if asked.isdecimal() and len(asked) < 6 else 0)
