"""Speaks HTTP/1.1 with clients: requests in, each answered in its turn, under deadlines for whoever is slow."""

import asyncio
from asyncio import AbstractEventLoop, Transport
from collections import deque
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http import HTTPStatus
from typing import cast

from adapters.http import Answer, failure, problem_answer
from adapters.server.files import FileBody, Sending
from adapters.server.pieces import Pieces
from adapters.server.reader import Reader, Refusal, Request
from adapters.server.unsent import unsent

Respond = Callable[[Answer | Sending | Pieces | None], None]
"""Takes the answer to a request, once, in the event loop.

One that comes piece by piece is taken when it begins, and None behind its last piece, or a failure instead.
"""

RECEIVE = 20
"""Seconds in which a whole request has to arrive, once it has begun, and in which some of an answer has to be taken."""
IDLE = 75
"""Seconds that a connection may stay silent: longer than proxies keep theirs, so that they are the ones who close."""
LINGER = 3
"""Seconds in which what still comes is dropped: who closes at once may take the last answer along (RFC 9112, 9.6)."""
MOST_WAITING = 64
"""Requests of one connection that are read ahead."""

_LOOK = 0.02
"""Seconds between two looks whether all connections have ended."""
_NEVER = 1 << 62
_LAST_CHUNK = b"0\r\n\r\n"
_GO_ON = b"HTTP/1.1 100 Continue\r\n\r\n"
_LINES = {int(status): f"HTTP/1.1 {int(status)} {status.phrase}" for status in HTTPStatus}
BODILESS = frozenset({204, 304})
"""Answers that have no body, nor a length."""


class Site:
    """All connections of one process. `answer` is given each request, and what takes its answer."""

    def __init__(self, answer: Callable[[Request, Respond], None], max_body: int) -> None:
        self.answer = answer
        self.max_body = max_body
        self.now = 0
        self.date = _date()
        self.closing = False
        self.connections: set[Connection] = set()

    def begin(self, loop: AbstractEventLoop, goes_on: Callable[[], None]) -> None:
        """Looks after its connections from now on, once a second, instead of a timer for each; tells that it does."""
        loop.call_later(1.0, self.begin, loop, goes_on)
        goes_on()
        self.now += 1
        self.date = _date()
        for connection in [one for one in self.connections if one.due < self.now]:
            connection.overdue()

    async def close(self, patience: float) -> None:
        """Ends every connection behind the answer that it waits for, or after so many seconds."""
        self.closing = True
        for connection in list(self.connections):
            connection.close_if_idle()
        for _ in range(int(patience / _LOOK)):
            if not self.connections:
                return
            await asyncio.sleep(_LOOK)
        for connection in list(self.connections):
            connection.abort()


class Connection(asyncio.Protocol):
    """One client. `due`: the second of the site's clock behind which it was too slow."""

    def __init__(self, site: Site) -> None:
        self.due = site.now + IDLE
        self._site = site
        self._reader = Reader(site.max_body)
        self._transport: Transport
        self._waiting: deque[Request | Refusal] = deque()
        self._answering: Request | Refusal | None = None
        self._pieces: Pieces | None = None
        self._file: FileBody | None = None
        self._unsent = 0
        self._going_on = False
        self._receiving = False
        self._half_closed = False
        self._ended = False
        self._clogged = False
        self._chunked = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's call, as are all that follow here."""
        self._transport = cast(Transport, transport)
        self._site.connections.add(self)

    def connection_lost(self, _error: Exception | None) -> None:
        self._ended = True
        self._site.connections.discard(self)
        self._close_file()
        self._hurry()

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._waiting += self._reader.feed(data)
        if len(self._waiting) > MOST_WAITING:
            self._transport.pause_reading()
        self._go_on()

    def eof_received(self) -> bool:
        """A client that has said all may still wait for an answer, but not for long: most of them have left."""
        if self._ended:
            return False
        self._half_closed = True
        if self._reader.receiving:
            self._waiting.append(self._reader.refusal(400, "the request broke off"))
        self._hurry()
        self._go_on()
        return not self._ended or self._transport.get_write_buffer_size() > 0

    def pause_writing(self) -> None:
        self._clogged = True
        self._unsent = unsent(self._transport)
        self.due = self._site.now + RECEIVE

    def resume_writing(self) -> None:
        self._clogged = False
        if self._ended:
            self.due = self._site.now + LINGER
        elif self._pieces is not None:
            self.due = _NEVER
            self._pieces.go_on()
        elif self._file is not None:
            self.due = _NEVER
            self._send_file()
        self._go_on()

    def _go_on(self) -> None:
        """Answers what can be answered. Not a call within a call: a client may send thousands of requests at once."""
        if self._going_on:
            return
        self._going_on = True
        try:
            while self._waiting and self._answering is None and not (self._ended or self._clogged):
                self._answer(self._waiting.popleft())
        finally:
            self._going_on = False
        if self._answering is None and not (self._ended or self._clogged):
            self._wait()

    def _answer(self, item: Request | Refusal) -> None:
        self._answering, self.due = item, _NEVER
        if isinstance(item, Refusal):
            tell = failure if item.delivery else problem_answer
            self._respond(tell(item.status, item.message))
        else:
            item.ending = self._half_closed or self._site.closing
            self._site.answer(item, self._respond)

    def _wait(self) -> None:
        """For a request: all of it, once it has begun."""
        if self._half_closed:
            self._end()
            return
        receiving = self._reader.receiving
        if receiving and self._reader.expects:
            self._reader.expects = False
            self._transport.write(_GO_ON)
        if not receiving:
            self.due = self._site.now + IDLE
        elif not self._receiving:
            self.due = self._site.now + RECEIVE
        self._receiving = receiving
        self._transport.resume_reading()

    def _respond(self, answer: Answer | Sending | Pieces | None) -> None:
        if isinstance(answer, Sending):
            self._begin_file(answer)
            return
        if isinstance(answer, Pieces):
            self._begin(answer)
            return
        if answer is None or self._pieces is not None:
            self._finish(whole=answer is None)
            return
        item, self._answering, self._receiving = self._answering, None, False
        if self._ended or item is None:
            return
        last = self._site.closing or isinstance(item, Refusal) or item.last
        bodiless = isinstance(item, Request) and item.method == "HEAD"
        self._transport.write(encoded(answer, self._site.date, last=last, bodiless=bodiless))
        if last:
            self._end()
        else:
            self._go_on()

    def _begin(self, pieces: Pieces) -> None:
        """The head; without a length, HTTP/1.0 has the body end with the connection (RFC 9112, 6.3)."""
        item = self._answering
        if self._ended or not isinstance(item, Request):
            return
        self._pieces, pieces.send = pieces, self._send
        self._chunked = item.version != "1.0"
        headers = [*pieces.headers, ("transfer-encoding", "chunked")] if self._chunked else pieces.headers
        last = self._site.closing or item.last
        head = Answer(pieces.status, headers, b"")
        self._transport.write(encoded(head, self._site.date, last=last, bodiless=True))

    def _send(self, piece: bytes) -> None:
        """One piece; the next one is made once the client takes it."""
        if not self._ended:
            self._transport.write(b"%x\r\n%s\r\n" % (len(piece), piece) if self._chunked else piece)
        if self._pieces is not None and (self._ended or not self._clogged):
            self._pieces.go_on()

    def _finish(self, *, whole: bool) -> None:
        """Behind the last piece. A body that is not whole must not look so."""
        item, self._answering, self._pieces, self._receiving = self._answering, None, None, False
        if self._ended or not isinstance(item, Request):
            return
        if not whole:
            self._transport.abort()
            return
        if self._chunked:
            self._transport.write(_LAST_CHUNK)
        if self._site.closing or item.last:
            self._end()
        else:
            self._go_on()

    def _begin_file(self, sending: Sending) -> None:
        item, self._file, self._chunked = self._answering, sending.body, False
        if self._ended or not isinstance(item, Request):
            self._close_file()
            return
        head = Answer(sending.status, sending.headers, b"")
        last = self._site.closing or item.last
        self._transport.write(encoded(head, self._site.date, last=last, bodiless=True))
        self._send_file()

    def _send_file(self) -> None:
        """A piece for each turn of the loop, as long as the client takes them: others have their turns between."""
        if self._file is None or self._ended or self._clogged:
            return
        if piece := self._file.piece():
            self._transport.write(piece)
            if not self._clogged:
                asyncio.get_running_loop().call_soon(self._send_file)
        else:
            self._close_file()
            self._finish(whole=True)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _hurry(self) -> None:
        """Whoever waits before the answer, or makes it piece by piece, ends."""
        if isinstance(self._answering, Request):
            self._answering.ending = True
        if self._pieces is not None:
            self._pieces.go_on()

    def _end(self) -> None:
        """Says that this was all, and hears the client out for a while."""
        self._ended = True
        self._waiting.clear()
        if self._half_closed:
            self._transport.close()
        else:
            self._transport.write_eof()
            self.due = self._site.now + (RECEIVE if self._clogged else LINGER)

    def overdue(self) -> None:
        """The site's call: whoever waits for a request, or for some of its answer to be taken, has waited enough."""
        if self._clogged and (left := unsent(self._transport)) < self._unsent:
            self._unsent, self.due = left, self._site.now + RECEIVE
            return
        if self._ended or self._clogged or not self._reader.receiving:
            self._transport.abort()
        else:
            self._waiting.append(self._reader.refusal(408, "the request did not arrive in time"))
            self._go_on()

    def close_if_idle(self) -> None:
        """The site closes: whoever waits for an answer gets it first; of one in pieces, what is taken by now."""
        if self._answering is None and not self._waiting:
            self._transport.close()
        elif (self._pieces or self._file) is not None and self._clogged:
            self._transport.abort()
        else:
            self._hurry()

    def abort(self) -> None:
        """Whatever is under way."""
        self._transport.abort()


def encoded(answer: Answer, date: str, *, last: bool, bodiless: bool) -> bytes:
    """An answer as it goes over the wire; `bodiless`: its head, which tells no length that is not known."""
    lines = [_LINES[answer.status], *[f"{name}: {value}" for name, value in answer.headers], date]
    if answer.status not in BODILESS and not has_length(answer.headers) and (answer.body or not bodiless):
        lines.append(f"content-length: {len(answer.body)}")
    if last:
        lines.append("connection: close")
    head = "\r\n".join(lines).encode("latin-1")
    return b"%s\r\n\r\n%s" % (head, b"" if bodiless or answer.status in BODILESS else answer.body)


def _date() -> str:
    """What every answer says of the time (RFC 9110, 6.6.1)."""
    return f"date: {formatdate(usegmt=True)}"


def has_length(headers: Sequence[tuple[str, str]]) -> bool:
    """Flask declares a length itself, also where it leaves the body to be left out (HEAD)."""
    return any(name.lower() == "content-length" for name, _ in headers)
