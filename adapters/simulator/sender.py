"""Signs messages as their provider does and posts them over one connection."""

import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import msgspec

from adapters.providers import sign_svix, sign_wms
from adapters.simulator.message import Message

TIMEOUT = 15.0
"""Seconds that a sender waits, as Svix does."""


class Answer(msgspec.Struct, frozen=True):
    """What the service said. `verdict` is its header, or `accepted`, `rejected`, `unavailable` where it sent none.

    `text` is the body.
    """

    status: int
    verdict: str
    position: int | None
    text: str


class Unreachable(Exception):
    """Nobody answers under the URL."""


def headers(provider: str, secret: str | None, message: Message, now: float) -> dict[str, str]:
    """The headers of a delivery at `now` (Unix seconds); without a secret it goes unsigned."""
    plain = {"content-type": "application/json", "user-agent": "hookfold-simulate"}
    if secret and provider == "wms":
        return plain | sign_wms(secret, message.body)
    if secret and provider == "amps":
        return plain | sign_svix(secret, message.identity, int(now), message.body)
    return plain


class Sender:
    """Posts to one URL for one provider; use it in a `with` block. Raises Unreachable."""

    def __init__(
        self, url: str, provider: str, secret: str | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.url = url
        self._connection = kind(parts.netloc, timeout=TIMEOUT)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._provider = provider
        self._secret = secret
        self._clock = clock

    def send(self, message: Message) -> Answer:
        """Sends once; where a kept connection turns out to be closed, once more on a new one."""
        try:
            return self._send(message)
        except (HTTPException, ConnectionError):
            self._connection.close()
        except OSError as error:
            raise Unreachable(f"{self.url}: {error}") from error
        try:
            return self._send(message)
        except (HTTPException, OSError) as error:
            raise Unreachable(f"{self.url}: {error}") from error

    def _send(self, message: Message) -> Answer:
        signed = headers(self._provider, self._secret, message, self._clock())
        self._connection.request("POST", self._path, message.body, signed)
        return _answer(self._connection.getresponse())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _answer(response: HTTPResponse) -> Answer:
    position = response.getheader("hookfold-position", "")
    return Answer(
        status=response.status,
        verdict=response.getheader("hookfold-verdict") or _verdict(response.status),
        position=int(position) if position.isdecimal() else None,
        text=response.read().decode(errors="replace"),
    )


def _verdict(status: int) -> str:
    """Any receiver may be played at: a 2xx is all that a provider wants to see."""
    if status // 100 == 2:
        return "accepted"
    return "unavailable" if status // 100 == 5 else "rejected"
