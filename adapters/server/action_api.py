"""The provider's own API, asked for one action at a time."""

import asyncio
from typing import NamedTuple
from urllib.parse import quote, urlsplit

import httpcore

PATIENCE = 15.0
"""Seconds for an answer."""
MOST = 1 << 20
"""Bytes of one."""


class Answered(NamedTuple):
    """A status, None where none came, and the body; `later`: seconds after which it may be asked again."""

    status: int | None
    body: bytes = b""
    later: int = 0


class ActionApi:
    """`GET {url}/actions/{id}` with `x-api-key`. Belongs to one event loop; redirects are not followed."""

    def __init__(self, url: str, key: str) -> None:
        parts = urlsplit(url)
        self._url = httpcore.URL(url)
        self._path = parts.path
        self._headers = [(b"host", parts.netloc.encode()), (b"accept", b"application/json")]
        self.ask_with(key)
        secure = httpcore.default_ssl_context() if parts.scheme == "https" else None
        self._pool = httpcore.AsyncConnectionPool(secure, max_connections=1)

    def ask_with(self, key: str) -> None:
        """What is asked from now on is asked with this key."""
        self._key = (b"x-api-key", key.encode("utf-8", "surrogateescape"))

    async def close(self) -> None:
        """Ends its connection."""
        await self._pool.aclose()

    async def ask(self, action_id: str) -> Answered:
        """What it says of an action. Never raises for what the other side does."""
        target = f"{self._path}/actions/{quote(action_id, safe='')}"
        url = httpcore.URL(scheme=self._url.scheme, host=self._url.host, port=self._url.port, target=target)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._heard(httpcore.Request(b"GET", url, headers=[*self._headers, self._key]))
        except (TimeoutError, httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError):
            return Answered(None)

    async def _heard(self, request: httpcore.Request) -> Answered:
        response = await self._pool.handle_async_request(request)
        body = bytearray()
        try:
            async for piece in response.aiter_stream():
                body += piece
                if len(body) > MOST:
                    return Answered(None)
        finally:
            await response.aclose()
        asked = next((value for name, value in response.headers if name.lower() == b"retry-after"), b"")
        return Answered(response.status, bytes(body), int(asked) if asked.isdigit() and len(asked) < 6 else 0)
