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

UNRECORDED = "the log cannot commit now"
"""A part of the response if the delivery was not recorded. No handler was called then."""

TIMEOUT = 15.0
"""The timeout of a request in seconds, as that of Svix."""


class Answer(msgspec.Struct, frozen=True):
    """The response to a delivery.

    `verdict` is the header `Hookfold-Verdict`. Without that header, it is derived from the status: `accepted`,
    `rejected` or `unavailable`, or `handler_failed` if the delivery was recorded but the handler failed. `text` is the
    body.
    """

    status: int
    verdict: str
    position: int | None
    text: str


class Unreachable(Exception):
    """There was no usable response from the URL."""


def headers(provider: str, secret: str | None, message: Message, now: float) -> dict[str, str]:
    """The headers of a delivery at `now` (Unix seconds); without a secret it goes unsigned."""
    plain = {"content-type": "application/json", "user-agent": "hookfold-simulate"}
    if secret and provider == "wms":
        return plain | sign_wms(secret, message.body)
    if secret and provider == "amps":
        return plain | sign_svix(secret, message.identity, int(now), message.body)
    return plain


class Sender:
    """Posts to one URL for one provider; use it in a `with` block. Raises Unreachable.

    `proxied`: the response is that of the source's handler, so an error may come after the delivery was recorded.
    """

    def __init__(
        self,
        url: str,
        provider: str,
        secret: str | None = None,
        clock: Callable[[], float] = time.time,
        *,
        proxied: bool = False,
    ) -> None:
        parts = urlsplit(url)
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        self.url = url
        self._connection = kind(parts.netloc, timeout=TIMEOUT)
        self._path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self._provider = provider
        self._secret = secret
        self._clock = clock
        self._proxied = proxied

    def send(self, message: Message) -> Answer:
        """Sends a message. If a kept connection turns out to be closed, sends it once more on a new one."""
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
        return _answer(self._connection.getresponse(), proxied=self._proxied)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()


def _answer(response: HTTPResponse, *, proxied: bool) -> Answer:
    position, text = response.getheader("hookfold-position", ""), response.read().decode(errors="replace")
    return Answer(
        status=response.status,
        verdict=response.getheader("hookfold-verdict") or _verdict(response.status, text, proxied=proxied),
        position=int(position) if position.isdecimal() else None,
        text=text,
    )


def _verdict(status: int, text: str, *, proxied: bool) -> str:
    """Derives the verdict from the status.

    The receiver need not be Hookfold: to a provider, any 2xx is success.
    """
    if status // 100 == 2:
        return "accepted"
    if status // 100 != 5:
        return "rejected"
    return "handler_failed" if proxied and UNRECORDED not in text else "unavailable"
