"""A connection to another server with one request at a time: a protocol around the response parser."""

import asyncio
import re
from asyncio import Transport
from typing import cast

from adapters.server.handlers.answer_reader import AnswerReader, BrokenError
from adapters.server.http11.upload import Upload
from core.event import Headers

MOST_HELD = 65_536
"""The buffered bytes of a response after which the connection is not read."""

_FIRST = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [!-~]+ HTTP/1\.1")
_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*")
_LAST_CHUNK = b"0\r\n\r\n"


def head_of(method: str, target: str, headers: Headers) -> bytes | None:
    """A request's head without the final empty line; None if HTTP/1.1 cannot express it."""
    first, lines = f"{method} {target} HTTP/1.1", [f"{name}: {value}" for name, value in headers]
    if not (_FIRST.fullmatch(first) and all(map(_LINE.fullmatch, lines))):
        return None
    return "\r\n".join([first, *lines, ""]).encode("latin-1")


class OutgoingConnection(asyncio.Protocol):
    """Belongs to one task at a time, which sends a request and reads status, headers and body of the response.

    `silence` is the longest time in seconds without progress on either side. Coroutines raise BrokenError for an
    incomplete response, and TimeoutError.
    """

    silence: float | None = None

    def __init__(self) -> None:
        self.since = asyncio.get_running_loop().time()
        self._transport: Transport
        self._answer: AnswerReader | None = None
        self._sent = False
        self._clogged = False
        self._full = False
        self._broken = False
        self._lost = False
        self._change: asyncio.Future[None] | None = None

    @property
    def may_be_asked(self) -> bool:
        """Whether the connection can take another request, as far as known."""
        return not (self._lost or self._broken) and self._answer is None

    def ask(self, head: bytes, body: bytes = b"", *, bodiless: bool = False) -> None:
        """Sends a request. `head` has no final empty line. `bodiless`: the response has no body."""
        self._sent, self._answer = True, AnswerReader(bodiless=bodiless)
        self._transport.write(b"%b\r\n%b" % (head, body))

    async def send_pieces(self, body: Upload, *, chunked: bool) -> None:
        """Sends a body after its head, unless the other side closes before. Its response is read all the same."""
        self._sent = False
        async for piece in body:
            while self._clogged and not self._lost:
                await self._wait()
            if self._lost:
                return
            self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if self._lost:
            return
        if chunked:
            self._transport.write(_LAST_CHUNK)
        self._sent = True

    async def head(self) -> tuple[int, Headers]:
        """Status and headers of the response."""
        answer = self._asked()
        while not answer.begun:
            await self._more()
        return answer.status, answer.headers

    async def some(self) -> bytes:
        """The next part of the body; empty at its end."""
        answer = self._asked()
        while not (answer.held or answer.whole):
            await self._more()
        if self._full and not self._lost:
            self._full = False
            self._transport.resume_reading()
        return answer.take()

    def finish(self) -> None:
        """Ends the exchange; closes the connection unless it can be reused."""
        answer, self._answer = self._answer, None
        self.since = asyncio.get_running_loop().time()
        if not (self._sent and answer is not None and answer.keeps):
            self.close()
        if answer is not None:
            answer.drop()

    def close(self) -> None:
        """Closes the connection."""
        self._broken = True
        self._transport.abort()

    def _asked(self) -> AnswerReader:
        if self._answer is None:
            raise BrokenError
        return self._answer

    async def _more(self) -> None:
        if self._broken or self._lost:
            raise BrokenError
        await self._wait()

    async def _wait(self) -> None:
        self._change = asyncio.get_running_loop().create_future()
        await asyncio.wait_for(self._change, self.silence)

    def _changed(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A callback of `asyncio.Protocol`, like the methods below."""
        self._transport = cast(Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._answer is None:  # an unrequested response
            self.close()
            return
        try:
            self._answer.feed(data)
        except BrokenError:
            self._broken = True
        if self._answer.held >= MOST_HELD and not self._full:
            self._full = True
            self._transport.pause_reading()
        if self._broken or self._answer.begun:
            self._changed()

    def eof_received(self) -> None:
        if self._answer is not None:
            try:
                self._answer.end()
            except BrokenError:
                self._broken = True
        self.connection_lost(None)

    def connection_lost(self, _error: Exception | None) -> None:
        self._lost = True
        self._changed()

    def pause_writing(self) -> None:
        self._clogged = True

    def resume_writing(self) -> None:
        self._clogged = False
        self._changed()
